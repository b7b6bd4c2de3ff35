"""Types of command-line options, which refuse wrong values.

Each function returns a ``type`` for ``argparse``, whose errors then name the option.
"""

import argparse
import math
from typing import Any, Callable, Optional, Type

from espnet_plugin.estimate.budget import budget_option
from espnet_plugin.recipe.option import Option, find_option
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.values.numbers import MOST_SEED, Number, Speeds, Whole
from espnet_plugin.recipe.values.sizes import Budgets, SizeEpochs, Sizes
from espnet_plugin.recipe.values.text import Line
from espnet_plugin.recipe.values.words import Choice
from espnet_plugin.shape import Shape, shape_option

__all__ = ["MOST_SEED", "VARIANT_HELP", "number", "of_recipe", "text", "whole"]

# Far above any useful number, and far below overflow.
_MOST = 10**9
_MOST_NUMBER = 1e30  # operations per second are large
_LONGEST = 200

# A recipe replaces an empty --variant by the tag; its commands have no tag.
VARIANT_HELP = "name of this variant in the tables"


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
                f"{_short(given)}: must be a whole number from {least}{end}"
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
                f"{_short(given)}: must be a number {'above' if above else 'from'} "
                f"{least:g}{end}"
            )
        return value

    return read


def text(longest: int = _LONGEST, empty: bool = True) -> Callable[[str], str]:
    """Return the type of one line of text without control characters."""

    def read(given: str) -> str:
        if len(given) > longest or not given.isprintable() or not (given or empty):
            raise argparse.ArgumentTypeError(
                f"{_short(given)}: must be one line of {0 if empty else 1} to "
                f"{longest} characters"
            )
        return given

    return read


def of_recipe(
    name: str, family: Type[Any] = EncrlRecipeOptions, **changes: Any
) -> dict[str, Any]:
    """Return the arguments of ``add_argument`` for an option that recipes also have.

    Type, range, choices, default and help are those of ``recipe/options/``. A
    list, which is one quoted value in recipes, is given as several values here.

    Args:
        name: Name of the option in the recipes.
        family: The class that declares the option.
        changes: Arguments of ``add_argument`` that differ.
    """
    one = find_option(family, name)
    unit = f"; {one.unit}" if one.unit else ""
    # argparse reads %(name)s in help texts.
    text = f"{one.help.rstrip('.,')}{unit}".replace("%", "%%")
    given = {"help": text, **_argument(one)}
    return {**given, **changes}


def _argument(one: Option) -> dict[str, Any]:
    kind, default = one.kind, one.kind.read(one.default)
    listed = _Listed(default) if isinstance(default, tuple) else default
    if isinstance(kind, Choice):
        return {"choices": list(kind.choices), "default": default}
    if isinstance(kind, Whole):
        return _maybe(whole(kind.least, kind.most), kind.optional, default)
    if isinstance(kind, Number):
        read = number(kind.least, above=kind.above)
        return _maybe(read, kind.optional, read(default) if default else None)
    if isinstance(kind, Speeds):
        return {"type": number(0.1, 10), "nargs": "*", "default": listed}
    if isinstance(kind, Sizes):
        several = "*" if kind.optional else "+"
        return {"type": shape_option, "nargs": several, "default": listed}
    if isinstance(kind, Budgets):
        return {"type": budget_option, "nargs": "*", "default": listed}
    if isinstance(kind, SizeEpochs):
        return {"type": _size_epochs, "nargs": "*", "default": listed}
    if isinstance(kind, Line):
        return {"type": _line(kind), "default": default}
    if isinstance(default, tuple):
        return {"nargs": "*", "default": listed}
    return _maybe(str, not one.default, default or None)


class _Listed(list):
    """A default of several values, which --help shows as they are given."""

    def __str__(self) -> str:
        return " ".join(map(str, self)) or "none"


def _maybe(kind: Callable[[str], Any], optional: bool, default: Any) -> dict[str, Any]:
    """Return type and default; an empty value of a recipe is None here."""
    if not optional:
        return {"type": kind, "default": default}
    return {"type": lambda given: kind(given) if given else None, "default": default}


def _line(kind: Line) -> Callable[[str], str]:
    def read(given: str) -> str:
        try:
            return kind.read(given)
        except ValueError as error:
            message = f"{_short(given)}: {error}"
            raise argparse.ArgumentTypeError(message) from error

    return read


def _size_epochs(given: str) -> tuple[Shape, int]:
    try:
        return SizeEpochs().read(given)[0]
    except (ValueError, IndexError) as error:
        message = f"{_short(given)}: {error}"
        raise argparse.ArgumentTypeError(message) from error


def _short(given: str, longest: Optional[int] = 40) -> str:
    return repr(given if len(given) <= longest else f"{given[:longest]}...")
