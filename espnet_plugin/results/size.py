"""The size of a row: a model with all layers may be as small as one with fewer.

Baselines that cut something other than layers say in their meta.json, under "size", how
many layers a model of as many parameters has, and repeat it at the end of the variant.
"""

import re
from typing import Optional

from espnet_plugin.shape import Shape

__all__ = ["size_text", "variant_and_size"]

_AS_SIZE = re.compile(r"(?:^| )as (\d+) layers?$")


def variant_and_size(
    variant: Optional[str], layers: int, size: Optional[int] = None
) -> tuple[str, int]:
    """Take the size out of a variant's name.

    What is left of the name is the same for all sizes of a family.

    Args:
        variant: Variant in meta.json or an earlier results.json.
        layers: The size where nothing else says it; 0 where it is not known.
        size: Where it is said apart from the name.
    """
    variant = variant or ""
    named = _AS_SIZE.search(variant)
    if named:
        variant = variant[: named.start()]
    return variant, size or (int(named[1]) if named else layers)


def size_text(layers: int, shape: Shape) -> str:
    """Write layers and size: ``6``, ``12 as 6``, ``4x72``, ``?``.

    Args:
        layers: Layers of the model; 0 where they are not known.
        shape: The size that the row is compared at.
    """
    if not layers or shape.layers == layers:
        return str(Shape(layers, shape.width))
    return f"{layers} as {shape}"
