"""Granularities by name: what a mask may switch off as a whole."""

from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from torch import nn

from espnet_plugin.dual_mode.groups import Groups
from espnet_plugin.errors import UserError

__all__ = ["GRANULARITIES", "Granularity", "find_groups", "granularity"]

Find = Callable[[nn.Module, Sequence[int]], Iterator[tuple[str, Groups]]]


@dataclass(frozen=True)
class Granularity:
    """One kind of groups.

    Attributes:
        name: Used in configurations and in the names of masks.
        find: Yields name of the module and groups below a root; its second argument
            is the size of a block.
        alone: Its groups overlap with those of all others.
        in_front_end: It masks the sub-sampling too, so that the modes cannot share it.
    """

    name: str
    find: Find
    alone: bool = False
    in_front_end: bool = False


# Filled as the modules of this folder are imported.
GRANULARITIES: dict[str, Granularity] = {}


def granularity(
    name: str, alone: bool = False, in_front_end: bool = False
) -> Callable[[Find], Find]:
    """Register what finds the groups of a granularity; see :class:`Granularity`.

    Every module of this folder is imported, so that one in a new module is found.

    Raises:
        ValueError: If the name is taken.
    """

    def register(find: Find) -> Find:
        if name in GRANULARITIES:
            raise ValueError(f"granularity {name}: this name is already taken")
        GRANULARITIES[name] = Granularity(name, find, alone, in_front_end)
        return find

    return register


def find_groups(
    root: nn.Module, name: str, block: Sequence[int] = (8, 1)
) -> list[tuple[str, Groups]]:
    """Return ``(name of the module, groups)`` of one granularity, in order.

    Args:
        root: Where to look.
        name: A name of ``GRANULARITIES``.
        block: Rows and columns of a block.

    Raises:
        UserError: If the granularity is unknown, or nothing of the kind is found.
    """
    if name not in GRANULARITIES:
        raise UserError(
            f"granularity {name!r}: must be one of {', '.join(GRANULARITIES)}"
        )
    found = list(GRANULARITIES[name].find(root, block))
    if not found:
        raise UserError(f"granularity {name!r}: the model has no {name}")
    return found
