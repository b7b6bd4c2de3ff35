"""Choices that other packages register, found without importing torch."""

import functools
import re
from pathlib import Path

from espnet_plugin.export.target_names import TARGETS

__all__ = ["objective_names", "target_names"]

_PACKAGE = Path(__file__).parents[1]


@functools.cache
def objective_names() -> tuple[str, ...]:
    """Return the names of the objectives, in the order of their modules' names.

    They are read from the lines ``@objective("name"...``, because importing the modules
    takes seconds. A test compares them with the registered names.
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
    """Return the names of the export targets."""
    return tuple(TARGETS)
