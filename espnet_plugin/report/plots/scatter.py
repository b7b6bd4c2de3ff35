"""Error rate over x: points with intervals, a line per method, a Pareto front."""

import logging
import math
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

from matplotlib.axes import Axes

from espnet_plugin.report.plots.choice import OTHERS, Choice
from espnet_plugin.report.plots.labels import Label, place_labels
from espnet_plugin.report.plots.pareto import pareto_front
from espnet_plugin.report.plots.points import (
    Panel,
    draw_bar,
    finish_panel,
    is_logarithmic,
    mark_of,
    rate_label,
    thin_ticks,
    upper_limit,
)
from espnet_plugin.report.plots.series import Series
from espnet_plugin.report.plots.style import add_caption, add_legend, plt, save_figure

__all__ = ["draw_scatter"]

# Distance between points that would hide each other, as a share of the axis.
_DODGE = 0.011
# Largest total width of moved points, as a share of the axis, so that the position
# still shows the approximate value.
_WIDEST = 0.12


def draw_scatter(
    stem: Path,
    choice: Choice,
    title: str,
    panels: Sequence[Panel],
    side_by_side: bool = False,
    scored: str = "test",
    caution: str = "",
) -> Optional[Path]:
    """Draw the error rates of groups, with a line for each series within a panel.

    Args:
        stem: Path of the files without their endings, .png and .svg.
        choice: The series that are shown, of groups with a test score. All pictures of
            the same choice have the same styles.
        title: Title of the figure.
        panels: Panels from left to right; those with a value for no group are left out.
        side_by_side: Whether points of nearly the same x are moved apart.
        scored: Name of the scored set.
        caution: Sentences below the panels; may be empty.

    Returns:
        The PNG file; None, and a warning, if no panel has a point.
    """
    groups = choice.groups
    drawable = [one for one in panels if any(map(one.x_of, groups))]
    if not drawable:
        logging.warning(
            "%s.png is not drawn: no row has a value for %s",
            stem,
            " or ".join(one.label for one in panels),
        )
        return None
    figure, axes = plt.subplots(
        1,
        len(drawable),
        figsize=(3.6 + 4.8 * len(drawable), _height(choice.rule, caution)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    limit = upper_limit(groups)
    texts = []
    for panel, one in zip(axes[0], drawable):
        texts.append(_panel(panel, choice, one.x_of, limit, side_by_side))
        panel.set_xlabel(one.label)
        panel.set_title(one.title, fontsize=10)
    axes[0][0].set_ylabel(rate_label(groups, scored))
    axes[0][0].set_ylim(0, limit)
    figure.suptitle(title, fontsize=11)
    add_legend(figure, axes[0])
    rule = f"{choice.rule} {_other_methods(choice, stem)}" if choice.rule else ""
    add_caption(figure, "\n".join(filter(None, [caution, rule])))
    # Free space for labels is known only after everything else is laid out.
    figure.draw_without_rendering()
    thin_ticks(figure, axes[0])
    for panel, (labels, points) in zip(axes[0], texts):
        place_labels(panel, labels, points)
    return save_figure(figure, stem)


def _height(*captions: str) -> float:
    """Return the figure's height in inches; each caption takes some of it."""
    return 4.6 + 0.3 * sum(map(bool, captions))


def _other_methods(choice: Choice, stem: Path) -> str:
    count = len({one.key for one in choice.others})
    return (
        f"The other {count} are in the tables and, where they have a value here, in "
        f"{stem.name}{OTHERS}."
    )


def _front(
    panel: Axes,
    points: Sequence[tuple[float, float]],
    places: Sequence[float],
    limit: float,
) -> None:
    """Draw the front as steps up to the edges; dominated points are above and right.

    Args:
        panel: The panel to draw in.
        points: ``(x, error rate)`` of each model, from which the front is computed.
        places: x at which each point is drawn, as points may be moved apart.
        limit: Upper end of the vertical axis, in percent.
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
    choice: Choice,
    x_of: Callable,
    limit: float,
    side_by_side: bool,
) -> tuple[list[Label], list[tuple[float, float]]]:
    """Draw one panel; return the labels that are still to be placed, and all points."""
    lines = choice.shown
    known = [group for one in lines for group in one.groups if x_of(group)]
    exact = [x_of(group) for group in known]
    places = exact
    if side_by_side:
        places = _set_side_by_side(exact, is_logarithmic(exact))
    xs = dict(zip(map(id, known), places))
    _front(panel, [(x, g.error_rate) for x, g in zip(exact, known)], places, limit)
    # Series with panels of their own count as well, as they are compared with these.
    say_seeds = len({one.scored for one in (*lines, *choice.others)}) > 1
    labels = []
    for one in lines:
        name = f"{one.name}, {one.scored}" if say_seeds else one.name
        labels += _line(panel, one, choice.styles[one.key], name, xs, limit)
    finish_panel(panel, exact)
    return labels, [(xs[id(g)], min(g.error_rate, limit)) for g in known]


def _line(
    panel: Axes,
    one: Series,
    style: tuple[str, str],
    name: str,
    xs: Mapping[int, float],
    limit: float,
) -> list[Label]:
    """Draw one series; return the labels of its points."""
    colour, marker = style
    groups = [group for group in one.groups if id(group) in xs]
    if not groups:
        return []
    joined = len(groups) > 1
    panel.plot(
        [xs[id(group)] for group in groups],
        [min(group.error_rate, limit) for group in groups],
        color=colour,
        marker=marker,
        markersize=6.5,
        # A hollow marker: one size only, as for an ablation or a control.
        markerfacecolor=colour if one.is_family else "white",
        linewidth=1.4 if joined else 0.0,
        label=name,
        clip_on=False,
        zorder=3,
    )
    labels = []
    for group in groups:
        draw_bar(panel, xs[id(group)], group, colour, limit)
        # For a single point the legend says it; many labels would overlap.
        text = mark_of(group, one.mark(group) if joined else "", limit)
        if text:
            place = xs[id(group)], min(group.error_rate, limit)
            labels.append(Label(*place, text, colour))
    return labels


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
