"""Sizes of the small models as options name them; nothing else reads them."""

import re

from espnet_plugin.errors import UserError
from espnet_plugin.shape import Shape

__all__ = ["SIZES_EXAMPLE", "read_size_epochs", "read_sizes"]

SIZES_EXAMPLE = "6 4 2"

_FORM = re.compile(r"(.+):([0-9]+)", re.ASCII)


def read_sizes(given: str, once: bool = False) -> tuple[Shape, ...]:
    """Return sizes that are separated by blanks, in their order.

    Args:
        given: The sizes, e.g. ``6 4x72``.
        once: Whether none may be given twice.

    Raises:
        ValueError: If there is none, or one is no size or is given twice.
    """
    try:
        sizes = tuple(Shape.parse(one) for one in re.split(" +", given))
    except UserError as error:
        raise ValueError(
            f'numbers of layers from 1, or layers x width, e.g. "{SIZES_EXAMPLE}" or '
            '"6 4x72"'
        ) from error
    for size in sizes if once else ():
        if sizes.count(size) > 1:
            raise ValueError(f"{size} is given twice")
    return sizes


def read_size_epochs(given: str) -> tuple[Shape, int]:
    """Return the size and the epochs of, e.g., ``2:4``.

    Raises:
        ValueError: If it is no such pair.
    """
    match = _FORM.fullmatch(given)
    try:
        if match:
            return Shape.parse(match[1]), int(match[2])
    except UserError:
        pass
    raise ValueError('SIZE:EPOCHS, e.g. "4:1 2:2"')
