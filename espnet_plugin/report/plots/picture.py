"""Description of one picture of points, before it is drawn."""

from dataclasses import dataclass
from typing import Sequence

from espnet_plugin.report.plots.points import Panel

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """One picture, and a second one of the methods that the first leaves out.

    Attributes:
        name: Name of its files, without their endings.
        title: Title above it, without the corpus.
        remark: How the points of the first panel are placed; follows its title.
        panels: Panels from left to right.
        of_others: Panels of the second picture; if empty, the same ones.
        side_by_side: Whether points of nearly the same x are moved apart.
        caution: Sentences below the panels without which they mislead; may be empty.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    remark: str = ""
    of_others: Sequence[Panel] = ()
    side_by_side: bool = False
    caution: str = ""
