"""Types of options that are numbers or lists."""

import math
import re
from dataclasses import dataclass
from typing import Any, Optional

from espnet_plugin.options import MOST_SEED
from espnet_plugin.recipe.values.kind import Kind, split_values

__all__ = ["MOST_SEED", "Number", "Several", "Speeds", "Whole"]

_MOST = 999_999_999


@dataclass(frozen=True)
class Whole:
    """A whole number from ``least`` to ``most``; None if it may be empty and is."""

    least: int = 0
    most: int = _MOST
    optional: bool = False
    meta: str = "N"

    def read(self, given: str) -> Optional[int]:
        if not given and self.optional:
            return None
        if re.fullmatch(r"0|[1-9][0-9]{0,9}", given, re.ASCII):
            if self.least <= int(given) <= self.most:
                return int(given)
        hint = ""
        thousands = re.fullmatch(r"([1-9][0-9]{0,5})[kK]", given, re.ASCII)
        if thousands and self.least <= int(thousands[1]) * 1000 <= self.most:
            hint = f": write {thousands[1]}000"
        raise ValueError(f"must be a whole number {self._range()}{hint}")

    def limits(self) -> str:
        return self._range() if self.least or self.most != _MOST else ""

    def _range(self) -> str:
        end = "" if self.most == _MOST else f" to {self.most}"
        return f"from {self.least}{end}"


@dataclass(frozen=True)
class Number:
    """A number from ``least``, or ``above`` it.

    It is kept as text, so that commands and tables have it as it was written.
    """

    least: float = 0.0
    above: bool = False
    example: str = "0.1"
    optional: bool = False
    meta: str = "X"

    def read(self, given: str) -> str:
        if not given and self.optional:
            return given
        pattern = r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,2})?"
        if len(given) <= 20 and re.fullmatch(pattern, given, re.ASCII):
            value = float(given)
            low = value > self.least if self.above else value >= self.least
            if low and math.isfinite(value):
                return given
        raise ValueError(f"must be a number {self.limits()}, e.g. {self.example}")

    def limits(self) -> str:
        return f"{'above' if self.above else 'from'} {self.least:g}"


@dataclass(frozen=True)
class Several:
    """One or more values of another type, separated by spaces."""

    kind: Kind
    meta: str = '"N..."'
    optional: bool = False

    def read(self, given: str) -> tuple[Any, ...]:
        values = []
        for one in split_values(given):
            try:
                values.append(self.kind.read(one))
            except ValueError as error:
                raise ValueError(f"{one[:60]} {error}") from error
        if not values:
            raise ValueError("must be one or more values")
        return tuple(values)

    def limits(self) -> str:
        limits = self.kind.limits()
        return f"each {limits}" if limits else ""


@dataclass(frozen=True)
class Speeds:
    """Factors of speed perturbation, each kept as text."""

    optional: bool = True
    meta: str = '"X..."'

    def read(self, given: str) -> tuple[str, ...]:
        for one in split_values(given):
            good = re.fullmatch(r"[0-9]*\.?[0-9]+", one, re.ASCII)
            if not good or not 0.1 <= float(one) <= 10:
                raise ValueError(
                    f'{one} must be a number from 0.1 to 10, e.g. "0.9 1.0 1.1"'
                )
        return tuple(given.split())

    def limits(self) -> str:
        return "each from 0.1 to 10"
