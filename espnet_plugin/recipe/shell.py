"""What recipes leave to the shell: words of options, and the commands of ``cmd.sh``."""

import glob
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

from espnet_plugin.errors import UserError

__all__ = ["Commands", "is_kaldi", "read_commands", "shell_words", "split_words"]

_NAMES = ("train_cmd", "cuda_cmd", "decode_cmd")
_PATTERN = set("*?[")


def split_words(text: str) -> list[str]:
    """Split text as a shell splits a variable without quotes.

    Patterns of file names are replaced by the files that there are, if any.
    """
    words = []
    for word in text.split():
        files = sorted(glob.glob(word)) if _PATTERN & set(word) else []
        words += files or [word]
    return words


def shell_words(text: str, option: str) -> list[str]:
    """Split text that is quoted for the shell.

    Args:
        text: Words, with quotes and perhaps variables and patterns of file names.
        option: What gave it, for messages.

    Raises:
        UserError: If the quotes do not fit.
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
            f"--{option} {text}: the shell does not understand its quotes: "
            f"{done.stderr.strip()}"
        )
    return done.stdout.split("\0")[:-1]


@dataclass(frozen=True)
class Commands:
    """Words in front of the stages' commands; none: they run here.

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
    """Ask ``cmd.sh``, a shell script, for its commands.

    Args:
        options: The recipe's options, which the script sees as variables; ``ngpu`` is
            one that it needs.
        file: The script, in the recipe's folder.

    Raises:
        UserError: If it is missing, fails, or does not set a command.
    """
    if not Path(file).is_file():
        raise UserError(f"{file} is missing: start in a recipe's folder, which has one")
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
        raise UserError(f"{file} failed: correct what is named above")
    after = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    words = [tuple(after[name].split()) for name in _NAMES]
    for name in options:
        # What was only said to cmd.sh stays between it and the recipe.
        after.pop(name, None)
        if name in before:
            after[name] = before[name]
    return Commands(*words, after)


def is_kaldi(command: Sequence[str]) -> bool:
    """Return whether these words want the log's name first: run.pl, queue.pl..."""
    return bool(command) and command[0].endswith(".pl")
