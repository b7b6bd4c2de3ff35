"""Types of command-line options: a wrong value is refused where the option is declared.

Each returns what ``argparse`` takes as ``type``; argparse then names the option.
"""

import argparse
import math
from typing import Callable, Optional

__all__ = ["MOST_SEED", "number", "text", "whole"]

# What the random number generators of NumPy and torch take.
MOST_SEED = 2**32 - 1
# Far above any sensible one, and far below what overflows.
_MOST = 10**9
_MOST_NUMBER = 1e30  # operations a second are large
_LONGEST = 200


def whole(least: int, most: int = _MOST) -> Callable[[str], int]:
    """Return the type of whole numbers from ``least`` to ``most``."""

    def read(given: str) -> int:
        try:
            value = int(given)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            end = "" if most == _MOST else f" to {most}"
            raise argparse.ArgumentTypeError(
                f"{_short(given)}: a whole number from {least}{end}"
            )
        return value

    return read


def number(
    least: float, most: float = _MOST_NUMBER, above: bool = False
) -> Callable[[str], float]:
    """Return the type of finite numbers from (or ``above``) ``least`` to ``most``."""

    def read(given: str) -> float:
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        low = value > least if above else value >= least
        if not (low and value <= most and math.isfinite(value)):
            end = "" if most == _MOST_NUMBER else f" to {most:g}"
            raise argparse.ArgumentTypeError(
                f"{_short(given)}: a number {'above' if above else 'from'} {least:g}"
                f"{end}"
            )
        return value

    return read


def text(longest: int = _LONGEST, empty: bool = True) -> Callable[[str], str]:
    """Return the type of one line of text without control characters."""

    def read(given: str) -> str:
        if len(given) > longest or not given.isprintable() or not (given or empty):
            raise argparse.ArgumentTypeError(
                f"{_short(given)}: one line of {0 if empty else 1} to {longest} "
                "characters"
            )
        return given

    return read


def _short(given: str, longest: Optional[int] = 40) -> str:
    return repr(given if len(given) <= longest else f"{given[:longest]}...")
