"""Types of a recipe's options: what a value may be, and what becomes of it.

Each kind reads the text that was given and says in one clause what it should have been.
The clauses follow the option's name and value in the message.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional, Protocol, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.recipe.shell import split_words
from espnet_plugin.recipe.sizes import SIZES_EXAMPLE, read_size_epochs, read_sizes
from espnet_plugin.shape import Shape
from espnet_plugin.suggest import did_you_mean

__all__ = [
    "Budgets",
    "Choice",
    "Choices",
    "Command",
    "Flag",
    "Folder",
    "Kind",
    "Line",
    "Modules",
    "Name",
    "Number",
    "SetName",
    "SetNames",
    "Several",
    "SizeEpochs",
    "Sizes",
    "Speeds",
    "Text",
    "Whole",
    "Words",
]

MOST_SEED = 2**32 - 1
_MOST = 999_999_999


class Kind(Protocol):
    """What the value of an option may be.

    Attributes:
        meta: What stands for the value in ``--help``.
        optional: Whether it may be empty.
    """

    meta: str
    optional: bool

    def read(self, given: str) -> Any:
        """Return the value.

        Raises:
            ValueError: Saying what it should have been.
        """

    def limits(self) -> str:
        """Return what ``--help`` says of the values, perhaps nothing."""


@dataclass(frozen=True)
class Whole:
    """A whole number; None where it may be empty and is."""

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
        raise ValueError(f"a whole number {self._range()}")

    def limits(self) -> str:
        return self._range() if self.least or self.most != _MOST else ""

    def _range(self) -> str:
        end = "" if self.most == _MOST else f" to {self.most}"
        return f"from {self.least}{end}"


@dataclass(frozen=True)
class Number:
    """A number, kept as it was written: tables name it, and commands get it."""

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
        raise ValueError(f"a number {self.limits()}, e.g. {self.example}")

    def limits(self) -> str:
        return f"{'above' if self.above else 'from'} {self.least:g}"


@dataclass(frozen=True)
class Several:
    """One value or more of another kind, in quotes."""

    kind: Kind
    meta: str = '"N..."'
    optional: bool = False

    def read(self, given: str) -> tuple[Any, ...]:
        values = []
        for one in given.split():
            try:
                values.append(self.kind.read(one))
            except ValueError as error:
                raise ValueError(f"{one[:60]} must be {error}") from error
        if not values:
            raise ValueError("one value or more")
        return tuple(values)

    def limits(self) -> str:
        limits = self.kind.limits()
        return f"each {limits}" if limits else ""


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    choices: Sequence[str]
    optional: bool = False
    meta: str = "WORD"

    def read(self, given: str) -> str:
        if given not in self.choices:
            *others, last = self.choices
            near = did_you_mean(given, self.choices)
            raise ValueError(f"must be {', '.join(others)} or {last}{near}")
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Choices:
    """Some of several words, which are looked up when they are needed."""

    choices: Callable[[], Sequence[str]]
    optional: bool = True
    meta: str = '"WORD..."'

    def read(self, given: str) -> tuple[str, ...]:
        if not given.split():
            if self.optional:
                return ()
            raise ValueError(f"name some of {' '.join(self.choices())}")
        for one in given.split():
            if one not in self.choices():
                choices = " ".join(self.choices())
                near = did_you_mean(one, self.choices())
                raise ValueError(f"{one} must be one of {choices}{near}")
        return tuple(given.split())

    def limits(self) -> str:
        return f"some of {' '.join(self.choices())}"


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false``."""

    optional: bool = False
    meta: str = "true|false"

    def read(self, given: str) -> bool:
        if given not in ("true", "false"):
            near = did_you_mean(given, ("true", "false"))
            raise ValueError(f"must be true or false{near}")
        return given == "true"

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Name:
    """Part of a file's name."""

    optional: bool = False
    meta: str = "NAME"

    def read(self, given: str) -> str:
        if len(given) > 100 or not re.fullmatch(
            r"[A-Za-z0-9_][A-Za-z0-9._+-]*", given, re.ASCII
        ):
            raise ValueError(
                "names folders: letters, digits and ._+- only, up to 100 of them"
            )
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class SetNames:
    """Names of data folders, which may lie in folders."""

    optional: bool = True
    meta: str = '"SET..."'

    def read(self, given: str) -> tuple[str, ...]:
        for one in given.split():
            _check_set(one)
        if not given.split() and not self.optional:
            raise ValueError("names of sets")
        return tuple(given.split())

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class SetName:
    """The name of one data folder."""

    optional: bool = False
    meta: str = "SET"

    def read(self, given: str) -> str:
        if not given and self.optional:
            return given
        if not re.fullmatch(r"\S+", given):
            raise ValueError("the name of one set")
        _check_set(given)
        return given

    def limits(self) -> str:
        return ""


def _check_set(one: str) -> None:
    pattern = r"[A-Za-z0-9_][A-Za-z0-9._+/-]*"
    if (
        len(one) > 200
        or not re.fullmatch(pattern, one, re.ASCII)
        or re.search(r"/\.\.?/", f"/{one}/")
    ):
        raise ValueError(
            f"{one[:60]} is not a name of a set: letters, digits and ._+-/ only"
        )


@dataclass(frozen=True)
class Line:
    """What stands in the tables: one line, without the sign between their columns."""

    optional: bool = True
    meta: str = "TEXT"

    def read(self, given: str) -> str:
        if len(given) > 100 or "|" in given or _has_control(given):
            raise ValueError("one line of up to 100 characters without |")
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Folder:
    """A path. Commas would end it in options of ESPnet."""

    optional: bool = False
    meta: str = "PATH"

    def read(self, given: str) -> str:
        if not given and self.optional:
            return given
        if (
            not given
            or len(given) > 1000
            or given.startswith("-")
            or "," in given
            or _has_control(given)
        ):
            raise ValueError("a path without commas; it does not begin with -")
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Modules:
    """Names of modules of a model."""

    optional: bool = True
    meta: str = '"NAME..."'

    def read(self, given: str) -> tuple[str, ...]:
        if not re.fullmatch(r"[A-Za-z0-9._ ]*", given, re.ASCII):
            raise ValueError("names of modules, e.g. encoder.embed")
        return tuple(given.split())

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Speeds:
    """Factors of speed perturbation, each kept as it was written."""

    optional: bool = True
    meta: str = '"X..."'

    def read(self, given: str) -> tuple[str, ...]:
        for one in given.split():
            good = re.fullmatch(r"[0-9]*\.?[0-9]+", one, re.ASCII)
            if not good or not 0.1 <= float(one) <= 10:
                raise ValueError(
                    f'{one} must be a number from 0.1 to 10, e.g. "0.9 1.0 1.1"'
                )
        return tuple(given.split())

    def limits(self) -> str:
        return "each from 0.1 to 10"


@dataclass(frozen=True)
class Sizes:
    """Sizes of small models; see :mod:`espnet_plugin.recipe.sizes`."""

    optional: bool = False
    meta: str = '"SIZE..."'

    def read(self, given: str) -> tuple[Shape, ...]:
        if not self.optional:
            return read_sizes(given, once=True)
        # Leading and trailing blanks of a list that may be empty do no harm.
        return read_sizes(given.strip()) if given.split() else ()

    def limits(self) -> str:
        return f'e.g. "{SIZES_EXAMPLE}"'


@dataclass(frozen=True)
class SizeEpochs:
    """Sizes with epochs, e.g. ``2:4``."""

    optional: bool = True
    meta: str = '"SIZE:N..."'

    def read(self, given: str) -> tuple[tuple[Shape, int], ...]:
        return tuple(read_size_epochs(one) for one in given.split())

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Budgets:
    """Limits of parameters or computing; see :class:`estimate.budget.Budget`."""

    optional: bool = True
    meta: str = '"LIMIT..."'

    def read(self, given: str) -> tuple[Budget, ...]:
        try:
            budgets = tuple(Budget.parse(one) for one in given.split())
        except UserError as error:
            raise ValueError(str(error)) from error
        for one in budgets:
            if sum(one.equals(other) for other in budgets) > 1:
                raise ValueError(f"{one} is given twice")
        return budgets

    def limits(self) -> str:
        return 'e.g. "1.5M 900k" or "70MMAC/s"'


@dataclass(frozen=True)
class Command:
    """The words of a command."""

    optional: bool = False
    meta: str = "COMMAND"

    def read(self, given: str) -> tuple[str, ...]:
        if not given.split():
            raise ValueError("the command that runs Python, e.g. python3")
        return tuple(given.split())

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Text:
    """Anything: what reads it checks it."""

    optional: bool = True
    meta: str = "TEXT"

    def read(self, given: str) -> str:
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Words:
    """Any words, split at blanks; patterns of file names are expanded as by a shell."""

    optional: bool = True
    meta: str = '"WORD..."'

    def read(self, given: str) -> tuple[str, ...]:
        return tuple(split_words(given))

    def limits(self) -> str:
        return ""


def file_names(folder: Path, suffix: str) -> list[str]:
    """Return the names, without their suffix, of the files of one kind in a folder."""
    return sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))


def _has_control(given: str) -> bool:
    return any(ord(sign) < 32 or ord(sign) == 127 for sign in given)
