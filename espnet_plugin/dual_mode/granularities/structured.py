"""Groups that modules declare themselves with a method ``pruning_groups()``."""

from typing import Iterator, Sequence

from torch import nn

from espnet_plugin.dual_mode.granularities.registry import Find, granularity
from espnet_plugin.dual_mode.groups import Groups

__all__ = ["declared"]


def declared(kind: str) -> Find:
    """Return the function that finds the groups of a kind that modules declare.

    Args:
        kind: Name of the granularity, e.g. ``heads``.
    """

    def find(root: nn.Module, block: Sequence[int]) -> Iterator[tuple[str, Groups]]:
        for name, module in root.named_modules():
            if hasattr(module, "pruning_groups"):
                for groups in module.pruning_groups():
                    if groups.kind == kind:
                        yield f"{name}.{groups.part}".strip("."), groups

    return find


granularity("heads")(declared("heads"))
granularity("units")(declared("units"))
granularity("channels")(declared("channels"))
# Channels of the sub-sampling, which takes most of the computation of narrow models.
granularity("front_end", in_front_end=True)(declared("front_end"))
