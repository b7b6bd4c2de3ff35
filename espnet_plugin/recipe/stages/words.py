"""Options of commands that are left out if they have no value."""

from typing import Iterable

from espnet_plugin.recipe.command_line import shown

__all__ = ["maybe", "several"]


def maybe(flag: str, value: object) -> list[str]:
    """Return an option and its value; no words if the value is None or empty."""
    text = shown(value)
    return [flag, text] if text else []


def several(flag: str, values: Iterable[object]) -> list[str]:
    """Return an option and its values; no words if there are none."""
    words = [str(value) for value in values]
    return [flag, *words] if words else []
