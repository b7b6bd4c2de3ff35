"""Choices that other rooms register, found without importing torch for them."""

import functools
import re
from pathlib import Path

from espnet_plugin.export.target_names import TARGETS

__all__ = ["objective_names", "target_names"]

_PACKAGE = Path(__file__).parents[1]


@functools.cache
def objective_names() -> tuple[str, ...]:
    """Return the names in the lines ``@objective("name"...`` of ``distill``.

    Importing them takes seconds. A test compares them with the registered ones.
    """
    files = sorted((_PACKAGE / "distill/objectives").glob("*.py"))
    return tuple(
        name
        for file in files
        for name in re.findall(
            r'^@objective\("([^"]*)"', file.read_text(encoding="utf-8"), re.MULTILINE
        )
    )


def target_names() -> tuple[str, ...]:
    """Return what a model can be exported for."""
    return tuple(TARGETS)
