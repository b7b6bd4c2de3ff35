"""Pictures of a results.json: error rate against size, training cost and speed."""

import logging
import math
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence, Union

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from espnet_plugin.errors import UserError
from espnet_plugin.evaluate.aggregate import Group, group_rows
from espnet_plugin.evaluate.pareto import pareto_front
from espnet_plugin.evaluate.plot_labels import Label, place_labels
from espnet_plugin.evaluate.plot_style import (
    add_legend,
    method_styles,
    plt,
    save_figure,
)

__all__ = ["plot_results"]

PathLike = Union[str, Path]

# A failed control near 100 % must not flatten all the rest: higher points stand at the
# upper edge with their number.
_LIMIT_IN_MEDIANS = 3.0
# Share of the axis between variants that would hide one another.
_DODGE = 0.011
# A smaller spread is easier to read on a linear axis.
_LOG_FROM_RATIO = 8.0

_FLOPS_PER_PFLOP = 1e15
_SECONDS_PER_HOUR = 3600.0


def plot_results(results: Mapping[str, Any], folder: PathLike) -> list[Path]:
    """Draw WER against parameters, training cost and real-time factor.

    A point is the mean over seeds, its bar the 95 % interval; the number beside it is
    the number of layers, and a line joins the sizes of one method and variant. A hollow
    point is a variant of one size. Models of the same size are set side by side. The
    cost of a model built on shared training includes that in full. A grey line
    of steps is the Pareto front: below and left of it there is no model.

    Args:
        results: Content of results.json.
        folder: Where wer_params, wer_cost and wer_rtf go, as .png and as .svg.

    Returns:
        The PNG files.

    Raises:
        UserError: If no row has a test score to draw.
    """
    groups = [
        group
        for group in group_rows(results.get("rows", []), results.get("shared", []))
        if group.test_wer is not None
    ]
    if not groups:
        raise UserError(
            "results.json has no row with a test score, so there is nothing to plot: "
            "decode and score a model first (stage 7)"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    styles = method_styles((group.method, group.variant) for group in groups)
    corpus = results.get("corpus", "")
    written = [
        _draw(
            folder / "wer_params",
            groups,
            styles,
            f"{corpus}: word error rate and size",
            [
                (
                    "parameters (million; equal sizes set side by side)",
                    lambda group: _scale(group.params, 1e6),
                )
            ],
            # Every method has the same sizes; a cost, in contrast, is not moved.
            side_by_side=True,
        ),
        _draw(
            folder / "wer_cost",
            groups,
            styles,
            f"{corpus}: word error rate and training cost of one model "
            "(what sizes share counted in full)",
            [
                ("training, teacher included (PFLOP)", _pflop),
                ("training (wall-clock hours)", _hours),
            ],
        ),
        _draw(
            folder / "wer_rtf",
            groups,
            styles,
            f"{corpus}: word error rate and speed",
            [
                (
                    "encoder real-time factor (nearly equal ones set side by side)",
                    lambda group: group.encoder_rtf,
                )
            ],
            side_by_side=True,
        ),
    ]
    return [path for path in written if path is not None]


def _pflop(group: Group) -> Optional[float]:
    whole = group.whole
    if whole["train_flops"] is None or whole["teacher_flops"] is None:
        return None
    return _scale(whole["train_flops"] + whole["teacher_flops"], _FLOPS_PER_PFLOP)


def _hours(group: Group) -> Optional[float]:
    return _scale(group.whole["train_seconds"], _SECONDS_PER_HOUR)


def _scale(value: Optional[float], unit: float) -> Optional[float]:
    """In a unit; what is not known or is nothing has no place on a logarithmic axis."""
    return value / unit if value else None


def _draw(
    stem: Path,
    groups: Sequence[Group],
    styles: Mapping[tuple[str, str], tuple[str, str]],
    title: str,
    axes: Sequence[tuple[str, Callable[[Group], Optional[float]]]],
    side_by_side: bool = False,
) -> Optional[Path]:
    drawable = [(label, x) for label, x in axes if any(x(g) for g in groups)]
    if not drawable:
        logging.warning(
            "%s.png is not drawn: no row says its %s",
            stem,
            " or ".join(label for label, _ in axes),
        )
        return None
    figure, panels = plt.subplots(
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
    for panel, (label, x_of) in zip(panels[0], drawable):
        texts.append(_panel(panel, groups, styles, x_of, limit, side_by_side))
        panel.set_xlabel(label)
    panels[0][0].set_ylabel("test WER (%), mean of seeds, 95 % interval")
    panels[0][0].set_ylim(0, limit)
    figure.suptitle(title, fontsize=11)
    add_legend(figure, panels[0])
    # Where there is room shows only when all else has its place.
    figure.draw_without_rendering()
    for panel, (labels, points) in zip(panels[0], texts):
        place_labels(panel, labels, points)
    return save_figure(figure, stem)


def _front(
    panel: Axes,
    points: Sequence[tuple[float, float]],
    places: Sequence[float],
    limit: float,
) -> None:
    """Draw the front as steps, to the edges: what is beaten lies above and right.

    Args:
        panel: Where.
        points: ``(x, WER)``, which decide what is on the front.
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
    groups: Sequence[Group],
    styles: Mapping[tuple[str, str], tuple[str, str]],
    x_of: Callable[[Group], Optional[float]],
    limit: float,
    side_by_side: bool,
) -> tuple[list[Label], list[tuple[float, float]]]:
    """Draw one panel; return the labels that are still to be placed, and all points."""
    known = [group for group in groups if x_of(group)]
    exact = [x_of(group) for group in known]
    logarithmic = max(exact) > _LOG_FROM_RATIO * min(exact)
    places = _set_side_by_side(exact, logarithmic) if side_by_side else exact
    xs = dict(zip(map(id, known), places))
    _front(panel, [(x, g.test_wer) for x, g in zip(exact, known)], places, limit)
    labels = []
    for key, (colour, marker) in styles.items():
        series = [group for group in known if (group.method, group.variant) == key]
        if not series:
            continue
        family = len(series) > 1
        panel.plot(
            [xs[id(group)] for group in series],
            [min(group.test_wer, limit) for group in series],
            color=colour,
            marker=marker,
            markersize=6.5,
            # Hollow: one size only, an ablation or a control.
            markerfacecolor=colour if family else "white",
            linewidth=1.4 if family else 0.0,
            label=_legend_name(groups, key),
            clip_on=False,
            zorder=3,
        )
        for group in series:
            _bar(panel, xs[id(group)], group, colour, limit)
            text = _label_text(group, limit, family)
            if text:
                place = xs[id(group)], min(group.test_wer, limit)
                labels.append(Label(*place, text, colour))
    if logarithmic:
        panel.set_xscale("log")
        _log_ticks(panel, math.log10(max(exact) / min(exact)))
    panel.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    panel.margins(x=0.08)
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    return labels, [(xs[id(g)], min(g.test_wer, limit)) for g in known]


def _set_side_by_side(exact: Sequence[float], logarithmic: bool) -> list[float]:
    """Move points of nearly the same x apart, so that all bars can be seen."""
    places = [math.log(x) if logarithmic else x for x in exact]
    step = _DODGE * ((max(places) - min(places)) or (1.0 if logarithmic else places[0]))
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
        for rank, index in enumerate(cluster):
            if len(cluster) > 1:
                moved[index] = centre + step * (rank - (len(cluster) - 1) / 2)
    return [math.exp(place) if logarithmic else place for place in moved]


def _log_ticks(panel: Axes, decades: float) -> None:
    subs = (1, 1.5, 2, 3, 5, 7) if decades < 1.5 else (1, 2, 5) if decades < 3 else (1,)
    panel.xaxis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _legend_name(groups: Sequence[Group], key: tuple[str, str]) -> str:
    series = [group for group in groups if (group.method, group.variant) == key]
    sizes = ", ".join(str(group.size) for group in series)
    return f"{series[0].name} ({sizes} layers)"


def _bar(panel: Axes, x: float, group: Group, colour: str, limit: float) -> None:
    if group.wer_ci95 is None or group.test_wer > limit:
        return
    low, high = group.wer_ci95[0], min(group.wer_ci95[1], limit)
    panel.vlines(x, low, high, color=colour, linewidth=1.0, alpha=0.6)
    panel.plot([x, x], [low, high], linestyle="", marker="_", color=colour)


def _label_text(group: Group, limit: float, family: bool) -> str:
    if group.test_wer > limit:
        return f"{group.test_wer:.0f} % \u2191"
    # Of a single one the legend says it: many numbers would hide one another.
    return str(group.size) if family else ""


def _upper_limit(groups: Sequence[Group]) -> float:
    rates = sorted(group.test_wer for group in groups)
    tops = [g.wer_ci95[1] if g.wer_ci95 else g.test_wer for g in groups]
    cut = _LIMIT_IN_MEDIANS * rates[len(rates) // 2]
    highest = max(max(tops), rates[-1]) * 1.05
    # With nothing but zeros any positive limit does.
    return min(highest, cut) or 1.0
