"""The command-line reference: what every command and recipe script prints for --help.

The commands are run in this process, so that ESPnet is imported once.
"""

import contextlib
import importlib
import io
import os
import pkgutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator
from unittest import mock

import espnet_plugin.bin

__all__ = ["Page", "command_names", "command_pages", "script_pages"]

SCRIPTS = (
    "egs2/TEMPLATE/encrl1/encrl.sh",
    "egs2/TEMPLATE/encrl1/jobs.sh",
    "egs2/TEMPLATE/dualmode1/dualmode.sh",
    "egs2/TEMPLATE/lmprune1/lmprune.sh",
)
_COLUMNS = "96"


@dataclass(frozen=True)
class Page:
    """One page of the reference.

    Attributes:
        name: Of the file, without its suffix.
        command: What is typed.
        summary: One line.
        help: What --help prints.
    """

    name: str
    command: str
    summary: str
    help: str

    def markdown(self) -> str:
        """Return the page's text."""
        text = self.help.rstrip().replace("```", "'''")
        return f"# {self.name}\n\n    {self.command} --help\n\n```text\n{text}\n```\n"


def command_names() -> list[str]:
    """Return the modules of ``espnet_plugin.bin`` that are commands."""
    names = sorted(one.name for one in pkgutil.iter_modules(espnet_plugin.bin.__path__))
    folder = Path(espnet_plugin.bin.__file__).parent
    return [n for n in names if "\ndef main(" in (folder / f"{n}.py").read_text()]


def command_pages() -> Iterator[Page]:
    """Yield a page for each command.

    Raises:
        RuntimeError: If a command prints no help.
    """
    for name in command_names():
        command = f"python -m espnet_plugin.bin.{name}"
        module = importlib.import_module(f"espnet_plugin.bin.{name}")
        summary = module.__doc__.strip().splitlines()[0]
        yield Page(name, command, summary, _help(module.main, command))


def script_pages(root: Path) -> Iterator[Page]:
    """Yield a page for each script of the recipes, without ``.sh`` in its name.

    Raises:
        subprocess.CalledProcessError: If a script fails.
    """
    for script in SCRIPTS:
        # A recipe's run.sh calls the others with options of its own.
        shown = "./jobs.sh" if Path(script).stem == "jobs" else "./run.sh"
        done = subprocess.run(
            ["bash", script, "--help"],
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        )
        lines = (root / script).read_text().splitlines()
        summary = lines[1].removeprefix("# ")
        text = done.stdout.replace(script, shown)
        yield Page(Path(script).stem, shown, summary, text)


def _help(main, command: str) -> str:
    out = io.StringIO()
    # argparse names the program after argv[0], and breaks lines by COLUMNS.
    with (
        mock.patch.object(sys, "argv", [command]),
        mock.patch.dict(os.environ, {"COLUMNS": _COLUMNS}),
        contextlib.redirect_stdout(out),
        contextlib.suppress(SystemExit),
    ):
        main(["--help"])
    if "usage:" not in out.getvalue():
        raise RuntimeError(f"{command} --help prints no usage")
    return out.getvalue()
