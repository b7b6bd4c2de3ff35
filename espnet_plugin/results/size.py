"""What size a row stands for: a model that keeps all layers may be as small as fewer.

Baselines that cut something else than layers say in their meta.json, under "size", how
many layers a model of as many parameters has, and repeat it at the end of the variant.
"""

import re
from typing import Any, Mapping

__all__ = ["row_size", "size_text", "with_size"]

_AS_SIZE = re.compile(r"(?:^| )as (\d+) layers?$")


def with_size(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with its "size", which is taken out of the variant's name.

    What is left is the same for all sizes of a family.

    Args:
        row: With "variant", "layers" and perhaps "size".
    """
    variant = row.get("variant") or ""
    named = _AS_SIZE.search(variant)
    said = int(named[1]) if named else None
    if named:
        variant = variant[: named.start()]
    return {**row, "variant": variant, "size": row.get("size") or said or row["layers"]}


def row_size(row: Mapping[str, Any]) -> int:
    """Return how many layers the row stands for; 0 where that is not known."""
    return row.get("size") or row["layers"]


def size_text(layers: int, size: int) -> str:
    """Write the layers and, if it is another, the size: ``6``, ``12 as 6``, ``?``."""
    if not layers or size == layers:
        return str(layers or "?")
    return f"{layers} as {size}"
