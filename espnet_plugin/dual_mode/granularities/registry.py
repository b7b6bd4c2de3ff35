"""Granularities by name: the kinds of groups that a mask may switch off."""

from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from torch import nn

from espnet_plugin.dual_mode.groups import Groups
from espnet_plugin.errors import UserError

__all__ = ["GRANULARITIES", "Granularity", "find_groups", "granularity"]

Find = Callable[[nn.Module, Sequence[int]], Iterator[tuple[str, Groups]]]


@dataclass(frozen=True)
class Granularity:
    """A kind of groups.

    Attributes:
        name: Name in configurations and in the names of masks.
        find: Function of a network and the size of a block that yields the name of each
            module and its groups.
        alone: Whether its groups overlap with those of all other granularities.
        in_front_end: Whether it masks the sub-sampling, so that the modes cannot share
            its output.
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
    """Register the function that finds the groups; see :class:`Granularity`.

    All modules of this folder are imported, so a granularity in a new module is found.

    Raises:
        ValueError: If another granularity has this name.
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
        root: The network.
        name: A key of ``GRANULARITIES``.
        block: Number of rows and columns of a block.

    Raises:
        UserError: If the granularity is unknown, or the network has no such groups.
    """
    if name not in GRANULARITIES:
        raise UserError(
            f"granularity {name!r}: must be one of {', '.join(GRANULARITIES)}"
        )
    found = list(GRANULARITIES[name].find(root, block))
    if not found:
        raise UserError(f"granularity {name!r}: the model has no {name}")
    return found
