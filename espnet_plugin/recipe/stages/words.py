"""Words of commands: options that are left out where there is no value."""

from typing import Iterable

from espnet_plugin.recipe.command_line import shown

__all__ = ["maybe", "several"]


def maybe(flag: str, value: object) -> list[str]:
    """Return an option and its value, nothing if that is None or empty."""
    text = shown(value)
    return [flag, text] if text else []


def several(flag: str, values: Iterable[object]) -> list[str]:
    """Return an option and its values, nothing if there are none."""
    words = [str(value) for value in values]
    return [flag, *words] if words else []
