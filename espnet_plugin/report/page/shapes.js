// Elements of HTML and SVG, and the markers of series. Texts are set as text, never as
// markup: names come from folders.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function drawing(tag, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

function regular(corners, radius, turn) {
  const points = [];
  for (let n = 0; n < corners; n += 1) {
    const angle = turn + (2 * Math.PI * n) / corners;
    points.push(`${radius * Math.cos(angle)} ${radius * Math.sin(angle)}`);
  }
  return `M${points.join("L")}Z`;
}

function cross(width, length, turn) {
  const corners = [
    [width, width], [length, width], [length, -width], [width, -width],
    [width, -length], [-width, -length], [-width, -width], [-length, -width],
    [-length, width], [-width, width], [-width, length], [width, length],
  ];
  const [c, s] = [Math.cos(turn), Math.sin(turn)];
  return `M${corners.map(([x, y]) => `${c * x - s * y} ${s * x + c * y}`).join("L")}Z`;
}

function star(radius) {
  const points = [];
  for (let n = 0; n < 10; n += 1) {
    const angle = -Math.PI / 2 + (Math.PI * n) / 5;
    const r = n % 2 ? radius * 0.45 : radius;
    points.push(`${r * Math.cos(angle)} ${r * Math.sin(angle)}`);
  }
  return `M${points.join("L")}Z`;
}

// By matplotlib's names, as in the still pictures.
const MARKERS = {
  o: "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z",
  s: "M-4.5 -4.5H4.5V4.5H-4.5Z",
  "^": regular(3, 6, -Math.PI / 2),
  v: regular(3, 6, Math.PI / 2),
  "<": regular(3, 6, Math.PI),
  ">": regular(3, 6, 0),
  D: regular(4, 6, 0),
  P: cross(1.9, 5.5, 0),
  X: cross(1.9, 5.5, Math.PI / 4),
  "*": star(7),
};

// A group or an icon has its series' colour as `currentColor`.
function colour(node, series) {
  node.classList.add("series");
  const dark = series.colour === "#000000";
  node.style.setProperty("--series", dark ? "var(--ink)" : series.colour);
}

function marker(series) {
  const shape = MARKERS[series.marker] ?? MARKERS.o;
  const filled = series.filled ? "filled" : "hollow";
  return drawing("path", { d: shape, class: `marker ${filled}` });
}

function icon(series) {
  const made = drawing("svg", { viewBox: "-14 -8 28 16", "aria-hidden": "true" });
  if (series.filled) made.append(drawing("path", { d: "M-13 0H13", class: "line" }));
  made.append(marker(series));
  colour(made, series);
  return made;
}
