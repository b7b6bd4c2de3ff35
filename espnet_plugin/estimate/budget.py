"""How large a model may be: in parameters, or in computing per second of audio."""

import re
from dataclasses import dataclass

from espnet_plugin.errors import UserError

__all__ = ["LEAST_USE", "Budget"]

# Below this share of its budget a model leaves too much of it unused.
LEAST_USE = 0.9

_FORM = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([kMG]?)(MAC/s)?")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


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
            UserError: If it is neither, or nothing.
        """
        match = _FORM.fullmatch(text)
        amount = float(match[1]) * _UNITS[match[2]] if match else 0.0
        if not amount:
            raise UserError(
                f"--budget {text[:40]!r}: parameters, e.g. 1.5M or 900k, or multiply-"
                "adds per second of audio, e.g. 70MMAC/s"
            )
        return cls(text, amount, match[3] is not None)

    def holds(self, params: int, macs_per_second: float) -> bool:
        """Return whether a model fits, and uses most of it."""
        used = macs_per_second if self.computing else params
        return LEAST_USE * self.amount <= used <= self.amount
