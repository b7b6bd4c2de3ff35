"""Options that are names of sets and modules, or parts of file names."""

import re
from dataclasses import dataclass

__all__ = ["Modules", "Name", "SetName", "SetNames"]


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
