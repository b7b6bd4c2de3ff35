"""What one picture of points shows, before it is drawn."""

from dataclasses import dataclass
from typing import Sequence

from espnet_plugin.report.plots.points import Panel

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """One picture and its second one, of the methods that it leaves out.

    Attributes:
        name: Name of its files, without their endings.
        title: Above it, without the corpus.
        remark: How the points of the first panel are placed; follows its title.
        panels: Side by side.
        of_others: The panels of the second one; empty: the same.
        side_by_side: Whether points of nearly the same x are moved apart.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    remark: str = ""
    of_others: Sequence[Panel] = ()
    side_by_side: bool = False
