// No module: browsers load none from a file, and somebody has to say so.
if (location.protocol === "file:") {
  document.getElementById("status").textContent = "";
  var error = document.getElementById("error");
  error.hidden = false;
  error.textContent =
    "This page has to come from a web server. In its folder, run: python3 -m http.server, " +
    "then open http://localhost:8000";
}
