"""Error rate over x: points with intervals, a line a method, the Pareto front."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from espnet_plugin.report.plots.labels import Label, place_labels
from espnet_plugin.report.plots.pareto import pareto_front
from espnet_plugin.report.plots.series import Series, series_of
from espnet_plugin.report.plots.style import (
    add_legend,
    method_styles,
    plt,
    save_figure,
)
from espnet_plugin.results.group import Group

__all__ = ["Panel", "draw_scatter", "error_words"]

# A failed control near 100 % must not flatten all the rest: higher points stand at the
# upper edge with their number.
_LIMIT_IN_MEDIANS = 3.0
# Share of the axis between variants that would hide one another.
_DODGE = 0.011
# Share of the axis that many of them may take: a place still says about how large.
_WIDEST = 0.12
# A smaller spread is easier to read on a linear axis.
_LOG_FROM_RATIO = 8.0


@dataclass(frozen=True)
class Panel:
    """One panel of a figure.

    Attributes:
        label: Name of the axis, with the unit.
        x_of: Where a group stands; None (or 0): not in this panel.
        title: Above it.
    """

    label: str
    x_of: Callable[[Group], Optional[float]]
    title: str = ""


def draw_scatter(
    stem: Path,
    groups: Sequence[Group],
    title: str,
    panels: Sequence[Panel],
    side_by_side: bool = False,
    scored: str = "test",
) -> Optional[Path]:
    """Draw the error rates of groups, with a line for each series within a panel.

    Args:
        stem: Path of the files without their endings, .png and .svg.
        groups: Groups with a test score. All pictures of the same groups have the same
            styles.
        title: Title of the figure.
        panels: Side by side; those in which no group has a place are left out.
        side_by_side: Whether points of nearly the same x are moved apart.
        scored: What the scored set is called.

    Returns:
        The PNG file; None, and a warning, if no panel has a point.
    """
    drawable = [one for one in panels if any(map(one.x_of, groups))]
    if not drawable:
        logging.warning(
            "%s.png is not drawn: no row says its %s",
            stem,
            " or ".join(one.label for one in panels),
        )
        return None
    lines = series_of(groups)
    styles = method_styles(one.key for one in lines)
    figure, axes = plt.subplots(
        1,
        len(drawable),
        # A legend of many lines needs the height.
        figsize=(3.6 + 4.8 * len(drawable), max(4.6, 1.0 + 0.21 * len(styles))),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    limit = _upper_limit(groups)
    texts = []
    for panel, one in zip(axes[0], drawable):
        texts.append(_panel(panel, lines, styles, one.x_of, limit, side_by_side))
        panel.set_xlabel(one.label)
        panel.set_title(one.title, fontsize=10)
    axes[0][0].set_ylabel(f"{scored} {_rate(groups)} (%), mean of seeds, 95 % interval")
    axes[0][0].set_ylim(0, limit)
    figure.suptitle(title, fontsize=11)
    add_legend(figure, axes[0])
    # Where there is room shows only when all else has its place.
    figure.draw_without_rendering()
    for panel, (labels, points) in zip(axes[0], texts):
        place_labels(panel, labels, points)
    return save_figure(figure, stem)


def error_words(groups: Sequence[Group]) -> str:
    """Return the error rate's name in words, for a title."""
    by_character = all(group.by_character for group in groups)
    return f"{'character' if by_character else 'word'} error rate"


def _rate(groups: Sequence[Group]) -> str:
    """What is drawn upwards: WER, CER where there are no words, seldom both."""
    return " or ".join(sorted({group.error_name for group in groups}))


def _front(
    panel: Axes,
    points: Sequence[tuple[float, float]],
    places: Sequence[float],
    limit: float,
) -> None:
    """Draw the front as steps, to the edges: what is beaten lies above and right.

    Args:
        panel: Where.
        points: ``(x, error rate)``, which decide what is on the front.
        places: Where the points stand, if they are set side by side.
        limit: Upper edge.
    """
    front = [index for index in pareto_front(points) if points[index][1] <= limit]
    if not front:
        return
    xs, ys = [places[index] for index in front], [points[index][1] for index in front]
    panel.step(
        [xs[0], *xs, max(places)],
        [limit, *ys, ys[-1]],
        where="post",
        color="#888888",
        linewidth=1.0,
        linestyle=(0, (4, 2)),
        label="Pareto front",
        zorder=1,
    )


def _panel(
    panel: Axes,
    lines: Sequence[Series],
    styles: Mapping[tuple[str, str], tuple[str, str]],
    x_of: Callable[[Group], Optional[float]],
    limit: float,
    side_by_side: bool,
) -> tuple[list[Label], list[tuple[float, float]]]:
    """Draw one panel; return the labels that are still to be placed, and all points."""
    known = [group for one in lines for group in one.groups if x_of(group)]
    say_seeds = len({one.scored for one in lines}) > 1
    exact = [x_of(group) for group in known]
    logarithmic = max(exact) > _LOG_FROM_RATIO * min(exact)
    places = _set_side_by_side(exact, logarithmic) if side_by_side else exact
    xs = dict(zip(map(id, known), places))
    _front(panel, [(x, g.error_rate) for x, g in zip(exact, known)], places, limit)
    labels = []
    for one in lines:
        colour, marker = styles[one.key]
        groups = [group for group in one.groups if id(group) in xs]
        if not groups:
            continue
        joined = len(groups) > 1
        panel.plot(
            [xs[id(group)] for group in groups],
            [min(group.error_rate, limit) for group in groups],
            color=colour,
            marker=marker,
            markersize=6.5,
            # Hollow: one size only, an ablation or a control.
            markerfacecolor=colour if one.is_family else "white",
            linewidth=1.4 if joined else 0.0,
            label=f"{one.name}, {one.scored}" if say_seeds else one.name,
            clip_on=False,
            zorder=3,
        )
        for group in groups:
            _bar(panel, xs[id(group)], group, colour, limit)
            # Of a single one the legend says it: many would hide one another.
            text = one.mark(group) if joined else ""
            if group.error_rate > limit:
                text = f"{group.error_rate:.0f} % \u2191"
            if text:
                place = xs[id(group)], min(group.error_rate, limit)
                labels.append(Label(*place, text, colour))
    if logarithmic:
        panel.set_xscale("log")
        _log_ticks(panel, math.log10(max(exact) / min(exact)))
    panel.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    panel.margins(x=0.08)
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    return labels, [(xs[id(g)], min(g.error_rate, limit)) for g in known]


def _set_side_by_side(exact: Sequence[float], logarithmic: bool) -> list[float]:
    """Move points of nearly the same x apart, so that all bars can be seen."""
    places = [math.log(x) if logarithmic else x for x in exact]
    span = (max(places) - min(places)) or (1.0 if logarithmic else places[0])
    step = _DODGE * span
    order = sorted(range(len(places)), key=lambda index: places[index])
    clusters: list[list[int]] = []
    for index in order:
        if clusters and places[index] - places[clusters[-1][-1]] < step:
            clusters[-1].append(index)
        else:
            clusters.append([index])
    moved = list(places)
    for cluster in clusters:
        centre = sum(places[index] for index in cluster) / len(cluster)
        apart = min(step, _WIDEST * span / len(cluster))
        for rank, index in enumerate(cluster):
            if len(cluster) > 1:
                moved[index] = centre + apart * (rank - (len(cluster) - 1) / 2)
    return [math.exp(place) if logarithmic else place for place in moved]


def _log_ticks(panel: Axes, decades: float) -> None:
    subs = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 3 else (1,)
    panel.xaxis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _bar(panel: Axes, x: float, group: Group, colour: str, limit: float) -> None:
    ends = group.error_interval
    if ends is None or group.error_rate > limit:
        return
    low, high = ends[0], min(ends[1], limit)
    panel.vlines(x, low, high, color=colour, linewidth=1.0, alpha=0.6)
    panel.plot([x, x], [low, high], linestyle="", marker="_", color=colour)


def _upper_limit(groups: Sequence[Group]) -> float:
    rates = sorted(group.error_rate for group in groups)
    tops = [max(g.error_interval or (g.error_rate,)) for g in groups]
    cut = _LIMIT_IN_MEDIANS * rates[len(rates) // 2]
    highest = max(max(tops), rates[-1]) * 1.05
    # With nothing but zeros any positive limit does.
    return min(highest, cut) or 1.0
