"""Shared parts of pictures of points: intervals, limits, axes and names."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Callable, Iterator, Optional, Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from espnet_plugin.results.group import Group

__all__ = [
    *("Panel", "draw_bar", "error_words", "finish_panel", "is_logarithmic"),
    *("mark_of", "rate_label", "thin_ticks", "upper_limit"),
]

# A failed control near 100 % must not compress all other points: points above the limit
# are drawn at the upper edge, with their value.
_LIMIT_IN_MEDIANS = 3.0
# A smaller spread is easier to read on a linear axis.
_LOG_FROM_RATIO = 8.0
_APART = 0.04  # inches between labels of ticks


@dataclass(frozen=True)
class Panel:
    """One panel of a figure.

    Attributes:
        label: Name of the axis, with the unit.
        x_of: Function that returns the x value of a group; None (or 0) if the group is
            not in this panel.
        title: Title above it.
    """

    label: str
    x_of: Callable[[Group], Optional[float]]
    title: str = ""


def error_words(groups: Sequence[Group]) -> str:
    """Return the error rate's name in words, for a title."""
    by_character = all(group.by_character for group in groups)
    return f"{'character' if by_character else 'word'} error rate"


def rate_label(groups: Sequence[Group], scored: str) -> str:
    """Return the label of the vertical axis: WER, CER, or rarely both."""
    rate = " or ".join(sorted({group.error_name for group in groups}))
    return f"{scored} {rate} (%), mean of seeds, 95 % interval"


def upper_limit(groups: Sequence[Group]) -> float:
    """Return the upper end of the vertical axis, in percent."""
    rates = sorted(group.error_rate for group in groups)
    tops = [max(g.error_interval or (g.error_rate,)) for g in groups]
    cut = _LIMIT_IN_MEDIANS * rates[len(rates) // 2]
    highest = max(max(tops), rates[-1]) * 1.05
    # If all values are zero, any positive limit will do.
    return min(highest, cut) or 1.0


def is_logarithmic(xs: Sequence[float]) -> bool:
    """Return whether values have such a wide range that the axis is logarithmic."""
    return max(xs) > _LOG_FROM_RATIO * min(xs)


def mark_of(group: Group, text: str, limit: float) -> str:
    """Return the text next to a point, with its error rate if it is off the axis."""
    if group.error_rate > limit:
        return f"{group.error_rate:.0f} % \u2191"
    return text


def draw_bar(panel: Axes, x: float, group: Group, colour: str, limit: float) -> None:
    """Draw the 95 % interval of a group's error rate, if it is known."""
    ends = group.error_interval
    if ends is None or group.error_rate > limit:
        return
    low, high = ends[0], min(ends[1], limit)
    panel.vlines(x, low, high, color=colour, linewidth=1.0, alpha=0.6)
    panel.plot([x, x], [low, high], linestyle="", marker="_", color=colour)


def finish_panel(panel: Axes, xs: Sequence[float], marks_a_side: int = 8) -> None:
    """Set the scale, the ticks and the grid of a panel with points at ``xs``."""
    if is_logarithmic(xs):
        panel.set_xscale("log")
        _log_ticks(panel, math.log10(max(xs) / min(xs)))
    elif min(xs) == max(xs):
        # Points that were moved apart still have the same value.
        panel.set_xticks([xs[0]])
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    else:
        panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    panel.yaxis.set_major_locator(MaxNLocator(marks_a_side, steps=[1, 2, 5, 10]))
    panel.margins(x=0.08)
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def thin_ticks(figure: Figure, panels: Sequence[Axes]) -> None:
    """Take fewer ticks across where their labels overlap, or nearly so.

    Args:
        figure: The figure, already laid out.
        panels: Its panels; those that share their axis have the same ticks.
    """
    renderer = figure.canvas.get_renderer()
    for panel in panels:
        locators = _fewer_ticks(panel.get_xscale() == "log")
        seen = _seen_ticks(panel)
        while _overlap(seen, renderer, _APART * figure.dpi):
            # Of ticks that are not all seen, a coarser choice may have none.
            one = FixedLocator([seen[0].get_loc()])
            panel.xaxis.set_major_locator(next(locators, one))
            seen = _seen_ticks(panel)
            if not seen:
                panel.xaxis.set_major_locator(one)


def _fewer_ticks(logarithmic: bool) -> Iterator[Locator]:
    if logarithmic:
        for subs, most in (((1, 2, 5), 20), ((1, 3), 20), ((1,), 20), ((1,), 4)):
            yield LogLocator(base=10, subs=subs, numticks=most)
        yield LogLocator(base=10, subs=(1,), numticks=2)
    else:
        for most in (4, 3, 2):
            yield MaxNLocator(most, steps=[1, 2, 5, 10])


def _seen_ticks(panel: Axes) -> list[Tick]:
    low, high = sorted(panel.get_xlim())
    panel.get_xticklabels()  # brings ticks and labels up to date
    ticks = panel.xaxis.get_major_ticks()
    return [one for one in ticks if low <= one.get_loc() <= high]


def _overlap(ticks: Sequence[Tick], renderer: RendererBase, apart: float) -> bool:
    """Return whether labels are closer to each other than so many pixels."""
    boxes = [one.label1.get_window_extent(renderer) for one in ticks]
    boxes.sort(key=lambda box: box.x0)
    return any(left.x1 + apart > right.x0 for left, right in pairwise(boxes))


def _log_ticks(panel: Axes, decades: float) -> None:
    subs = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 3 else (1,)
    panel.xaxis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
