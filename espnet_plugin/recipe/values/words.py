"""Types of options that are words from a list."""

from dataclasses import dataclass
from typing import Callable, Sequence

from espnet_plugin.suggest import did_you_mean

__all__ = ["Choice", "Choices", "Flag"]


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
    """Some of several words.

    ``choices`` returns them and is called only when a value is read or explained.
    """

    choices: Callable[[], Sequence[str]]
    optional: bool = True
    meta: str = '"WORD..."'

    def read(self, given: str) -> tuple[str, ...]:
        if not given.split():
            if self.optional:
                return ()
            raise ValueError(f"must be one or more of {' '.join(self.choices())}")
        for one in given.split():
            if one not in self.choices():
                choices = " ".join(self.choices())
                near = did_you_mean(one, self.choices())
                if "," in one:
                    near = "; separate them by spaces"
                raise ValueError(f"{one} must be one of {choices}{near}")
        return tuple(given.split())

    def limits(self) -> str:
        return f"one or more of: {', '.join(self.choices())}"


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
