"""How options write sizes of the small models, and their epochs."""

import re
from dataclasses import dataclass
from typing import Union

from espnet_plugin.errors import UserError
from espnet_plugin.shape import Shape

__all__ = ["SIZES_EXAMPLE", "SMALLEST", "Smallest", "read_size_epochs", "read_sizes"]

SIZES_EXAMPLE = "6 4 2"

_FORM = re.compile(r"(.+):([0-9]+)", re.ASCII)


@dataclass(frozen=True)
class Smallest:
    """The smallest of the sizes, whatever they are."""

    def __str__(self) -> str:
        return "smallest"


SMALLEST = Smallest()


def read_sizes(given: str, once: bool = False) -> tuple[Shape, ...]:
    """Read sizes that are separated by spaces; the order is kept.

    Args:
        given: The sizes, e.g. ``6 4x72``.
        once: Whether a size may be given only once.

    Raises:
        ValueError: If there is no size, a word is not a size, or with ``once`` a size
            is given twice.
    """
    try:
        sizes = tuple(Shape.parse(one) for one in re.split(" +", given))
    except UserError as error:
        raise ValueError(
            "must be numbers of layers from 1, or layers x width, e.g. "
            f'"{SIZES_EXAMPLE}" or "6 4x72"'
        ) from error
    for size in sizes if once else ():
        if sizes.count(size) > 1:
            raise ValueError(f"{size} is given twice")
    return sizes


def read_size_epochs(given: str) -> tuple[Union[Shape, Smallest], int]:
    """Read a size and its number of epochs, e.g. ``2:4`` or ``smallest:4``.

    Raises:
        ValueError: If the text is not such a pair.
    """
    match = _FORM.fullmatch(given)
    try:
        if match and match[1] == str(SMALLEST):
            return SMALLEST, int(match[2])
        if match:
            return Shape.parse(match[1]), int(match[2])
    except UserError:
        pass
    raise ValueError('must be SIZE:EPOCHS, e.g. "4:1 2:2" or "smallest:2"')
