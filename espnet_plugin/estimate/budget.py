"""How large a model may be: in parameters, or in computing per second of audio."""

import argparse
import re
from dataclasses import dataclass

from espnet_plugin.errors import UserError

__all__ = ["LEAST_USE", "Budget", "budget_option"]

# Below this share of its budget a model leaves too much of it unused.
LEAST_USE = 0.9

_FORM = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([kMG]?)(MAC/s)?")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_LONGEST = 20
_LEAST, _MOST = 1.0, 1e15


@dataclass(frozen=True)
class Budget:
    """A limit.

    Attributes:
        text: As it was given: ``1.5M``, ``70MMAC/s``.
        amount: Parameters, or multiply-adds per second of audio.
        computing: Whether it is of multiply-adds.
    """

    text: str
    amount: float
    computing: bool = False

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read parameters (``1.5M``, ``900k``) or computing (``70MMAC/s``).

        Raises:
            UserError: If it is neither, or not from 1 to 10^15.
        """
        match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
        amount = float(match[1]) * _UNITS[match[2]] if match else 0.0
        if not _LEAST <= amount <= _MOST:
            raise UserError(
                f"{text[:40]!r}: must be a number of parameters, e.g. 1.5M or 900k, "
                "or of multiply-adds per second of audio, e.g. 70MMAC/s, from 1 to "
                "1e15"
            )
        return cls(text, amount, match[3] is not None)

    def equals(self, other: "Budget") -> bool:
        """Return whether both are the same limit, however they are written."""
        return (self.amount, self.computing) == (other.amount, other.computing)

    def __str__(self) -> str:
        return self.text

    def holds(self, params: int, macs_per_second: float) -> bool:
        """Return whether a model fits, and uses most of it."""
        used = macs_per_second if self.computing else params
        return LEAST_USE * self.amount <= used <= self.amount


def budget_option(text: str) -> Budget:
    """Read a budget as a type of ``argparse``, which names the option itself."""
    try:
        return Budget.parse(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
