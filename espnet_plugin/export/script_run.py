"""Run a script of an export in a process of its own, as on a device."""

import subprocess
import sys
from pathlib import Path
from typing import Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.export.runtime import quiet_environment

__all__ = ["RunnerFailed", "run_script"]


class RunnerFailed(UserError):
    """A script failed, or recognised other texts than the check before.

    Args:
        reason: What it did.
    """

    def __init__(self, reason: str):
        super().__init__(f"{reason}; nothing was written")
        self.reason = reason


def run_script(script: Path, words: Sequence[str], model: str = "") -> str:
    """Return what a script prints to standard output.

    Args:
        script: The script, which runs with the Python of this process.
        words: Its arguments.
        model: Name of the model file that it uses, for the message.

    Raises:
        RunnerFailed: If it ends with a status other than 0; with the last line that it
            printed.
    """
    done = subprocess.run(
        [sys.executable, str(script), *words],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=quiet_environment(PYTHONDONTWRITEBYTECODE="1"),
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        name = f"{script.name} with {model}" if model else script.name
        raise RunnerFailed(f"{name} ended with status {done.returncode}: {said[-1]}")
    return done.stdout
