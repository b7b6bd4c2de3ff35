"""Parsers that accept no abbreviated options, and suggest the right option.

``argparse`` accepts ``--max_ep`` for ``--max_epoch``. So a misspelt option may set a
different one, and an abbreviation changes its meaning when an option is added. Its
message for an unknown option comes after a usage of up to 200 lines and suggests
nothing.
"""

import argparse
import re
import shlex
from functools import partial
from typing import Any, NoReturn, TypeVar

from espnet_plugin.suggest import did_you_mean

__all__ = ["ExactParser", "make_exact"]

P = TypeVar("P", bound=argparse.ArgumentParser)


class ExactParser(argparse.ArgumentParser):
    """``ArgumentParser`` without abbreviations and with one-line errors.

    The arguments are those of ``ArgumentParser``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Print the message with a suggestion, and exit with status 2."""
        _exit(self, message)


def make_exact(parser: P, see: str = "") -> P:
    """Make a parser behave like :class:`ExactParser`, and return it.

    Args:
        parser: A parser, possibly created by a different library.
        see: Command whose ``--help`` the messages recommend; the parser's ``prog`` if
            empty.
    """
    parser.allow_abbrev = False
    parser.error = partial(_exit, parser, see=see)  # type: ignore[method-assign]
    return parser


def _exit(parser: argparse.ArgumentParser, message: str, see: str = "") -> NoReturn:
    unknown = re.fullmatch(r"unrecognized arguments: (.*)", message, re.DOTALL)
    chosen = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
    if unknown:
        message = "; ".join(_unknown(parser, unknown[1].split(" ")))
    elif chosen:
        known = [word.strip(" '") for word in chosen[2].split(",")]
        message += did_you_mean(chosen[1], known)
    see = see or parser.prog
    parser.exit(2, f"{parser.prog}: error: {message} (see {see} --help)\n")


def _unknown(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    """Return a clause for each unknown option, with the values that follow it."""
    known = set(re.findall(r"--[A-Za-z0-9_-]+", parser.format_usage()))
    said: list[str] = []
    for number, word in enumerate(words):
        if word.startswith("--"):
            following = next((w for w in words[number + 1 :]), "")
            name, _, value = word.partition("=")
            if not value and not following.startswith("--"):
                value = following
            text = f"{name} {shlex.quote(value)}" if value else name
            said.append(f"unknown option {text}{did_you_mean(name, known)}")
    return said or [f"unexpected words: {' '.join(words)}"]
