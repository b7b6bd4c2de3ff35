"""Sizes of the small models as options name them; nothing else reads them."""

import re

__all__ = ["SIZES_EXAMPLE", "read_size", "read_size_epochs", "read_sizes"]

SIZES_EXAMPLE = "6 4 2"


def read_size(given: str) -> int:
    """Return one size: a number of encoder layers.

    Raises:
        ValueError: If it is none.
    """
    if not re.fullmatch(r"[1-9][0-9]*", given, re.ASCII):
        raise ValueError(f"{given or repr(given)} is no number of layers from 1")
    return int(given)


def read_sizes(given: str) -> tuple[int, ...]:
    """Return sizes that are separated by blanks, in their order.

    Raises:
        ValueError: If there is none, or one is no size.
    """
    try:
        return tuple(read_size(one) for one in re.split(" +", given))
    except ValueError as error:
        raise ValueError(f'numbers of layers from 1, e.g. "{SIZES_EXAMPLE}"') from error


def read_size_epochs(given: str) -> tuple[int, int]:
    """Return the size and the epochs of, e.g., ``2:4``.

    Raises:
        ValueError: If it is no such pair.
    """
    if not re.fullmatch(r"[0-9]+:[0-9]+", given, re.ASCII):
        raise ValueError('SIZE:EPOCHS, e.g. "4:1 2:2"')
    size, epochs = given.split(":")
    return int(size), int(epochs)
