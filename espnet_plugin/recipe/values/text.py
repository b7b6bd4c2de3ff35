"""Types of options that are text: commands, paths, names in tables, any words."""

from dataclasses import dataclass

from espnet_plugin.recipe.shell import split_words

__all__ = ["Command", "Folder", "Line", "Text", "Words"]


@dataclass(frozen=True)
class Command:
    """A command, split at blanks into words."""

    optional: bool = False
    meta: str = "COMMAND"

    def read(self, given: str) -> tuple[str, ...]:
        if not given.split():
            raise ValueError("must be the command that runs Python, e.g. python3")
        return tuple(given.split())

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Folder:
    """A path without commas, which separate the parts of ESPnet's data options."""

    optional: bool = False
    meta: str = "PATH"

    def read(self, given: str) -> str:
        if not given and self.optional:
            return given
        if given.startswith("~"):
            raise ValueError(
                "~ is not replaced inside quotes: write the whole path, or $HOME"
            )
        if "://" in given:
            raise ValueError("is an address: give a path of this machine")
        if (
            not given
            or len(given) > 1000
            or given.startswith("-")
            or "," in given
            or _has_control(given)
        ):
            raise ValueError(
                "must be a path of up to 1000 characters without commas that does not "
                "begin with -"
            )
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Line:
    """A name in the tables: one line without ``|``, which separates their columns."""

    optional: bool = True
    meta: str = "TEXT"

    def read(self, given: str) -> str:
        if len(given) > 100 or "|" in given or _has_control(given):
            raise ValueError("must be one line of up to 100 characters without |")
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Text:
    """Any text; the stage or command that uses it checks it."""

    optional: bool = True
    meta: str = "TEXT"

    def read(self, given: str) -> str:
        return given

    def limits(self) -> str:
        return ""


@dataclass(frozen=True)
class Words:
    """Any words, split at blanks; patterns such as ``*.txt`` are expanded to files."""

    optional: bool = True
    meta: str = '"WORD..."'

    def read(self, given: str) -> tuple[str, ...]:
        return tuple(split_words(given))

    def limits(self) -> str:
        return ""


def _has_control(given: str) -> bool:
    return any(ord(sign) < 32 or ord(sign) == 127 for sign in given)
