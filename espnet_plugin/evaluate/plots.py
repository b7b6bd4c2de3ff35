"""Pictures of a results.json: error rate against size, training cost and speed."""

import logging
import math
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Union

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import (  # noqa: E402
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from espnet_plugin.errors import UserError  # noqa: E402
from espnet_plugin.evaluate.aggregate import Group, group_rows  # noqa: E402
from espnet_plugin.evaluate.pareto import pareto_front  # noqa: E402

__all__ = ["method_styles", "plot_results", "save_figure"]

PathLike = Union[str, Path]

# Okabe and Ito's colours: told apart under every common colour blindness.
_COLOURS = {"reference": "#000000", "encrl": "#0072B2", "scratch": "#D55E00"}
_MORE_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
# A failed control near 100 % must not flatten all the rest: higher points stand at the
# upper edge with their number.
_LIMIT_IN_MEDIANS = 3.0
# Share of the axis between variants that would hide one another.
_DODGE = 0.011
# A smaller spread is easier to read on a linear axis.
_LOG_FROM_RATIO = 8.0

_LONG_LEGEND = 18

_FLOPS_PER_PFLOP = 1e15
_SECONDS_PER_HOUR = 3600.0


def plot_results(results: Mapping[str, Any], folder: PathLike) -> list[Path]:
    """Draw WER against parameters, training cost and real-time factor.

    A point is the mean over seeds, its bar the 95 % interval; the number beside it is
    the number of layers, and a line joins the sizes of one method and variant. A hollow
    point is a variant of one size. Models of the same size are set side by side. The
    cost of a model built on a shared EncRL run includes that run in full. A grey line
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
            "(shared EncRL run counted in full)",
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
            [("encoder real-time factor, less is faster", lambda g: g.encoder_rtf)],
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


def method_styles(
    names: Iterable[tuple[str, str]],
) -> dict[tuple[str, str], tuple[str, str]]:
    """Choose a colour for each method, a marker for each variant within it.

    Args:
        names: (method, variant), in the order of a legend.
    """
    styles: dict[tuple[str, str], tuple[str, str]] = {}
    listed = list(dict.fromkeys(names))
    others = [m for m in dict.fromkeys(m for m, _ in listed) if m not in _COLOURS]
    for method in dict.fromkeys(method for method, _ in listed):
        colour = _COLOURS.get(method)
        if colour is None:
            colour = _MORE_COLOURS[others.index(method) % len(_MORE_COLOURS)]
        variants = [variant for one, variant in listed if one == method]
        for number, variant in enumerate(variants):
            styles[method, variant] = (colour, _MARKERS[number % len(_MARKERS)])
    return styles


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
    for panel, (label, x_of) in zip(panels[0], drawable):
        _panel(panel, groups, styles, x_of, limit, side_by_side)
        panel.set_xlabel(label)
    panels[0][0].set_ylabel("test WER (%), mean of seeds, 95 % interval")
    panels[0][0].set_ylim(0, limit)
    figure.suptitle(title, fontsize=11)
    return save_figure(figure, panels[0], stem)


def save_figure(figure: Figure, panels: Iterable[Axes], stem: Path) -> Path:
    """Put one legend for all panels beside them, and write ``stem`` .png and .svg.

    Returns:
        The PNG file.
    """
    handles: dict[str, Any] = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels()):
            handles.setdefault(name, handle)
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside right upper",
        frameon=False,
        fontsize=9 if len(handles) <= _LONG_LEGEND else 7.5,
    )
    for suffix in (".png", ".svg"):
        # No date in it: the same results give the same file.
        metadata = {"Date": None} if suffix == ".svg" else None
        figure.savefig(stem.with_suffix(suffix), dpi=150, metadata=metadata)
    plt.close(figure)
    return stem.with_suffix(".png")


def _front(panel: Axes, points: Sequence[tuple[float, float]], limit: float) -> None:
    """Draw the front as steps, to the edges: what is beaten lies above and right."""
    chosen = [points[index] for index in pareto_front(points)]
    chosen = [(x, y) for x, y in chosen if y <= limit]
    if not chosen:
        return
    right = max(x for x, _ in points)
    xs = [chosen[0][0], *(x for x, _ in chosen), right]
    ys = [limit, *(y for _, y in chosen), chosen[-1][1]]
    panel.step(
        xs,
        ys,
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
) -> None:
    known = [group for group in groups if x_of(group)]
    exact = [x_of(group) for group in known]
    logarithmic = max(exact) > _LOG_FROM_RATIO * min(exact)
    places = _set_side_by_side(exact, logarithmic) if side_by_side else exact
    xs = dict(zip(map(id, known), places))
    _front(panel, [(x, g.test_wer) for x, g in zip(exact, known)], limit)
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
            _bar_and_label(panel, xs[id(group)], group, colour, limit, family)
    if logarithmic:
        panel.set_xscale("log")
        _log_ticks(panel, math.log10(max(exact) / min(exact)))
    panel.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    panel.margins(x=0.08)
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


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
    sizes = ", ".join(str(group.layers) for group in series)
    return f"{series[0].name} ({sizes} layers)"


def _bar_and_label(
    panel: Axes, x: float, group: Group, colour: str, limit: float, family: bool
) -> None:
    over = group.test_wer > limit
    if group.wer_ci95 is not None and not over:
        low, high = group.wer_ci95[0], min(group.wer_ci95[1], limit)
        panel.vlines(x, low, high, color=colour, linewidth=1.0, alpha=0.6)
        panel.plot([x, x], [low, high], linestyle="", marker="_", color=colour)
    if over:
        text = f"{group.test_wer:.0f} % \u2191"
    elif family:
        text = str(group.layers)
    else:
        # The legend says it: numbers of many ablations would hide one another.
        return
    panel.annotate(
        text,
        (x, min(group.test_wer, limit)),
        xytext=(7, -12 if over else 4),
        textcoords="offset points",
        fontsize=9,
        color=colour,
    )


def _upper_limit(groups: Sequence[Group]) -> float:
    rates = sorted(group.test_wer for group in groups)
    tops = [g.wer_ci95[1] if g.wer_ci95 else g.test_wer for g in groups]
    cut = _LIMIT_IN_MEDIANS * rates[len(rates) // 2]
    highest = max(max(tops), rates[-1]) * 1.05
    # With nothing but zeros any positive limit does.
    return min(highest, cut) or 1.0
