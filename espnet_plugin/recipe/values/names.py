"""Types of options that are names: of files, data sets, modules."""

import re
from dataclasses import dataclass

from espnet_plugin.recipe.values.kind import split_values

__all__ = ["Modules", "Name", "SetName", "SetNames"]


@dataclass(frozen=True)
class Name:
    """A part of file names: letters, digits and ``._+-``."""

    optional: bool = False
    meta: str = "NAME"

    def read(self, given: str) -> str:
        if len(given) > 100 or not re.fullmatch(
            r"[A-Za-z0-9_][A-Za-z0-9._+-]*", given, re.ASCII
        ):
            raise ValueError(
                "must have 1 to 100 letters, digits or ._+- and begin with a letter, a "
                "digit or _, because folders are named after it"
            )
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class SetNames:
    """Names of data folders, which may include parent folders, e.g. ``en/dev``."""

    optional: bool = True
    meta: str = '"SET..."'

    def read(self, given: str) -> tuple[str, ...]:
        for one in given.split():
            if "," in one:
                names = " ".join(one.split(","))
                raise ValueError(f'several sets are separated by spaces: "{names}"')
            _check_set(one)
        if not given.split() and not self.optional:
            raise ValueError("must be one or more names of sets")
        # A shell completes the names of folders with a slash.
        return tuple(one.rstrip("/") for one in given.split())

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class SetName:
    """The name of one data folder; see :class:`SetNames`."""

    optional: bool = False
    meta: str = "SET"

    def read(self, given: str) -> str:
        if not given and self.optional:
            return given
        if not re.fullmatch(r"\S+", given):
            raise ValueError("must be the name of one set")
        _check_set(given)
        return given.rstrip("/")

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Modules:
    """Names of a model's modules, separated by spaces."""

    optional: bool = True
    meta: str = '"NAME..."'

    def read(self, given: str) -> tuple[str, ...]:
        names = split_values(given)
        if not re.fullmatch(r"[A-Za-z0-9._ ]*", given, re.ASCII):
            raise ValueError("must be names of modules, e.g. encoder.embed")
        return tuple(names)

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
            f"{one[:60]} is not the name of a set: it must have letters, digits or "
            "._+-/ only, begin with a letter, a digit or _, and not contain . or .. as "
            "a folder"
        )
