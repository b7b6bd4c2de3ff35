"""Budgets for models: parameters, or multiply-adds per second of audio."""

import argparse
import re
from dataclasses import dataclass

from espnet_plugin.errors import UserError

__all__ = ["LEAST_USE", "Budget", "budget_option"]

# Least share of the budget that a model has to use.
LEAST_USE = 0.9

_FORM = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([kMG]?)(MAC/s)?")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_LONGEST = 20
_LEAST, _MOST = 1.0, 1e15


@dataclass(frozen=True)
class Budget:
    """A limit.

    Attributes:
        text: The limit as it was given: ``1.5M``, ``70MMAC/s``.
        amount: Number of parameters, or multiply-adds per second of audio.
        computing: Whether the limit is in multiply-adds.
    """

    text: str
    amount: float
    computing: bool = False

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Parse a number of parameters (``1.5M``, ``900k``) or a rate (``70MMAC/s``).

        Raises:
            UserError: If the text has a different form, or the value is not from 1 to
            10^15.
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
        """Return whether both are the same limit, even if written differently."""
        return (self.amount, self.computing) == (other.amount, other.computing)

    def __str__(self) -> str:
        return self.text

    def holds(self, params: int, macs_per_second: float) -> bool:
        """Return whether a model fits and uses at least 90 % of the budget."""
        used = macs_per_second if self.computing else params
        return LEAST_USE * self.amount <= used <= self.amount


def budget_option(text: str) -> Budget:
    """Parse a budget; for ``type=`` in ``argparse``, which adds the option's name."""
    try:
        return Budget.parse(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
