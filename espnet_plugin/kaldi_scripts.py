"""Kaldi's scripts that run jobs (``run.pl``, ``queue.pl``...): how they take a command.

They join the words of a command and let bash interpret the result. Words without white
space are not quoted, others are put into double quotes, or into single quotes if they
have a double quote. So an apostrophe or a dollar sign in a word changes the command.
"""

import re
import shlex
from typing import Iterable, Sequence

__all__ = ["for_kaldi", "is_kaldi", "is_kaldi_path"]

# What bash interprets inside double quotes.
_IN_QUOTES = re.compile(r"([$`\\])")


def is_kaldi(command: Sequence[str]) -> bool:
    """Return whether a command takes the name of a log first: run.pl, queue.pl..."""
    return bool(command) and command[0].endswith(".pl")


def is_kaldi_path(path: str) -> bool:
    """Return whether the scripts can write a log of this path, which they never quote.

    Args:
        path: Path of the log.
    """
    return shlex.quote(path) == path


def for_kaldi(words: Iterable[str]) -> list[str]:
    """Return the words that a script of Kaldi turns into this command.

    Args:
        words: The command.
    """
    return list(map(_word, words))


def _word(word: str) -> str:
    if word and not re.search(r"\s", word):
        return shlex.quote(word)
    if '"' in word:
        return word.replace("'", "'\\''")
    return _IN_QUOTES.sub(r"\\\1", word)
