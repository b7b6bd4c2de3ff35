"""A headless Chromium for tests, by the WebDriver protocol, and a server."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

# Set in CI: then a missing browser is a failure, not a skip.
REQUIRED = "ESPNET_PLUGIN_BROWSER_TESTS"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-dev-shm-usage"),
)


def need(programs, what):
    """Return the first of some programs; skip where there is none, or fail in CI."""
    found = next(filter(None, map(shutil.which, programs)), None)
    if found is None:
        message = f"needs {what}: none of {', '.join(programs)} is installed"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def served(folder):
    """Serve a folder; yields its address and the list of paths that were asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def chromium(*flags):
    """Start Chromium; yields a :class:`Tab`."""
    binary = need(CHROMIUMS, "Chromium (Debian: chromium)")
    driver = need(["chromedriver"], "its driver (Debian: chromium-driver)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [driver, f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # So that nothing is read of, or left in, the home of whoever runs it.
            env={**os.environ, "HOME": folder},
        )
        tab = None
        try:
            tab = Tab(f"http://127.0.0.1:{port}", binary, Path(folder) / "data", flags)
            yield tab
        finally:
            if tab is not None:
                tab.quit()
            process.terminate()
            process.wait(30)


class Tab:
    """One page in Chromium."""

    def __init__(self, driver, binary, data, flags):
        self._base = driver
        options = {
            "binary": binary,
            "args": [*_FLAGS, f"--user-data-dir={data}", *flags],
        }
        wanted = {"alwaysMatch": {"goog:chromeOptions": options}}
        wanted["alwaysMatch"]["goog:loggingPrefs"] = {"browser": "ALL"}
        _until(lambda: self._call("GET", "/status")["ready"], 30, "chromedriver")
        found = self._call("POST", "/session", {"capabilities": wanted})
        self._base = f"{driver}/session/{found['sessionId']}"
        self._call("POST", "/timeouts", {"script": 180000, "pageLoad": 180000})

    def quit(self):
        with contextlib.suppress(OSError):
            self._call("DELETE", "")

    def open(self, address):
        """Load a page, also the one that is open already."""
        # The driver may answer before the new page replaces the old one: a script then
        # still ran in the old one, about once in ten sessions for the first page.
        self.run("document.isLeft = true")
        self._call("POST", "/url", {"url": address})
        self.wait("!document.isLeft && document.readyState === 'complete'")

    def run(self, script, *args):
        """Run a function's body in the page; may return a promise."""
        body = {"script": script, "args": list(args)}
        return self._call("POST", "/execute/sync", body)

    def text(self, selector):
        return self.run(
            "return document.querySelector(arguments[0]).innerText", selector
        )

    def click(self, selector):
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector, text):
        """Type, or choose a file for an input of files."""
        self._call(
            "POST", f"/element/{self._find(selector)}/value", {"text": str(text)}
        )

    def wait(self, condition, seconds=180.0):
        """Wait until an expression of JavaScript is true."""
        try:
            _until(lambda: self.run(f"return Boolean({condition})"), seconds, condition)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; console: {self.console()}") from error

    def console(self):
        """Return the messages of the console since the last call."""
        found = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in found]

    def resize(self, width, height):
        metrics = {"width": width, "height": height}
        metrics.update(deviceScaleFactor=1, mobile=width < 600)
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        self._call("POST", "/goog/cdp/execute", command)

    def screenshot(self, clip=None):
        """Return the page, or a box (x, y, width, height) of it, as PNG in base 64."""
        params = {"captureBeyondViewport": True}
        if clip is not None:
            names = ("x", "y", "width", "height")
            params["clip"] = {**dict(zip(names, clip)), "scale": 1}
        command = {"cmd": "Page.captureScreenshot", "params": params}
        return self._call("POST", "/goog/cdp/execute", command)["data"]

    def cut_edge(self, selector):
        """Return whether the right edge of each scrolling box is marked.

        Args:
            selector: The boxes. Of those that are cut, the first is looked at: before
                and after it is scrolled to its end, with its background and without.

        Returns:
            Whether its background changes the picture at the edge at first, and at the
            end. None, if no box is cut.
        """
        edge = self.run(_CUT_EDGE, selector)
        if edge is None:
            return None
        seen = []
        for scroll in ("0", "box.scrollWidth"):
            self.run(f"const box = document.cut; box.scrollLeft = {scroll}")
            pictures = []
            for background in ("", "none"):
                self.run("document.cut.style.background = arguments[0]", background)
                pictures.append(self.screenshot(edge))
            seen.append(pictures[0] != pictures[1])
            self.run("document.cut.style.background = ''")
        return tuple(seen)

    def _find(self, selector):
        query = {"using": "css selector", "value": selector}
        return self._call("POST", "/element", query)[_ELEMENT]

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            said = json.load(error)["value"]
            raise RuntimeError(f"{said['error']}: {said['message']}") from error


# The last pixels of the first box that is cut, on the page.
_CUT_EDGE = """
    document.cut = [...document.querySelectorAll(arguments[0])].find((box) =>
        box.scrollWidth > box.clientWidth + 20 && box.clientHeight);
    if (!document.cut) return null;
    const box = document.cut.getBoundingClientRect();
    const height = Math.min(document.cut.clientHeight, 400);
    // Whole pixels inside the box: at a fraction of one, its background always shows.
    const top = Math.ceil(box.top + scrollY) + 1;
    return [box.right + scrollX - 8, top, 8, height - 4];"""


def _until(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(urllib.error.URLError):
            if condition():
                return
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds} s: {what}")
        time.sleep(0.1)
