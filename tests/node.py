"""The page's own scripts in Node.js, for tests."""

import json
import subprocess
from pathlib import Path

from browser import need

import espnet_plugin.web

PAGE = Path(espnet_plugin.web.__file__).parent / "page"


def run_module(name, body, **data):
    """Run a function's body that knows a module's exports as ``m`` and returns JSON.

    Args:
        name: A module of the page, e.g. ``ctc.js``.
        body: JavaScript; the keyword arguments are variables.
        data: What JSON can hold.
    """
    node = need(["node"], "Node.js")
    program = f"""
        import * as m from {json.dumps((PAGE / name).as_uri())};
        import fs from "node:fs";
        const data = JSON.parse(fs.readFileSync(0, "utf-8"));
        const work = async ({{ {", ".join(data)} }}) => {{ {body} }};
        process.stdout.write(JSON.stringify(await work(data)));
    """
    done = subprocess.run(
        [node, "--input-type=module", "-e", program],
        input=json.dumps(data),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
