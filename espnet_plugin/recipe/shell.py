"""Text that a shell interprets: words of options, and the commands of ``cmd.sh``."""

import glob
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from espnet_plugin.errors import UserError

__all__ = ["Commands", "read_commands", "shell_words", "split_words"]

_NAMES = ("train_cmd", "cuda_cmd", "decode_cmd")
_PATTERN = set("*?[")


def split_words(text: str) -> list[str]:
    """Split text as a shell splits a variable without quotes.

    A pattern such as ``*.txt`` is replaced by the existing files that match, if any.
    """
    words = []
    for word in text.split():
        files = sorted(glob.glob(word)) if _PATTERN & set(word) else []
        words += files or [word]
    return words


def shell_words(text: str, option: str) -> list[str]:
    """Split text that is quoted for the shell.

    Args:
        text: Words with quotes; variables and patterns of file names are expanded.
        option: Name of the option that has the text, for messages.

    Raises:
        UserError: If the shell cannot read the quotes.
    """
    if not text.strip():
        return []
    script = (
        'eval "words=($1)" && for one in "${words[@]}"; do printf "%s\\0" "$one"; done'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", text], capture_output=True, text=True
    )
    if done.returncode:
        raise UserError(
            f"--{option} {text}: the shell cannot read it, correct the quotes: "
            f"{done.stderr.strip()}"
        )
    return done.stdout.split("\0")[:-1]


@dataclass(frozen=True)
class Commands:
    """The commands of ``cmd.sh``, as words in front of the stages' commands.

    Without words, the stages' commands run on this machine.

    Attributes:
        train: Command for CPU work.
        cuda: Command for trainings.
        decode: Command for decoding.
        environment: Environment variables of all commands.
    """

    train: tuple[str, ...]
    cuda: tuple[str, ...]
    decode: tuple[str, ...]
    environment: Mapping[str, str]


def read_commands(options: Mapping[str, str], file: str = "cmd.sh") -> Commands:
    """Run ``cmd.sh``, a shell script, and return the commands that it sets.

    Args:
        options: Options of the recipe, which the script gets as variables (it uses
            ``ngpu``).
        file: The script, in the folder of the recipe.

    Raises:
        UserError: If the script is missing, fails, or does not set one of the commands.
    """
    if not Path(file).is_file():
        raise UserError(f"{file} is missing: run the command in the folder of a recipe")
    before = dict(os.environ)
    script = (
        f"set -euo pipefail; . ./{file} >&2; "
        + "".join(f'export {name}="${{{name}?}}"; ' for name in _NAMES)
        + "env -0"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**before, **options},
        stdout=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
    )
    if done.returncode:
        raise UserError(f"{file} failed: correct the error printed above")
    after = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    words = [tuple(after[name].split()) for name in _NAMES]
    for name in options:
        # The stages' commands do not get the variables that were set for cmd.sh only.
        after.pop(name, None)
        if name in before:
            after[name] = before[name]
    return Commands(*words, after)
