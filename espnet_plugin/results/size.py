"""The size of a row, which may differ from its number of layers.

Baselines that remove something other than layers have a "size" in their meta.json: the
number of layers of a model with as many parameters. It is also at the end of the
variant's name.
"""

import re
from typing import Optional

from espnet_plugin.shape import Shape

__all__ = ["size_text", "variant_and_size"]

_AS_SIZE = re.compile(r"(?:^| )as (\d+) layers?$")


def variant_and_size(
    variant: Optional[str], layers: int, size: Optional[int] = None
) -> tuple[str, int]:
    """Separate the size from a variant's name.

    The rest of the name is the same for all sizes of a family.

    Args:
        variant: Variant in meta.json or an earlier results.json.
        layers: The size if it is not given otherwise; 0 if not known.
        size: The size if it is given separately.
    """
    variant = variant or ""
    named = _AS_SIZE.search(variant)
    if named:
        variant = variant[: named.start()]
    return variant, size or (int(named[1]) if named else layers)


def size_text(layers: int, shape: Shape) -> str:
    """Return layers and size as text: ``6``, ``12 as 6``, ``4x72``, ``?``.

    Args:
        layers: Number of layers of the model; 0 if not known.
        shape: The size at which the row is compared.
    """
    if not layers or shape.layers == layers:
        return str(Shape(layers, shape.width))
    return f"{layers} as {shape}"
