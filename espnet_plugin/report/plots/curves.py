"""A picture of the learning curves: error rate and loss on dev, epoch by epoch."""

import logging
import math
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from espnet_plugin.report.plots.series import style_key
from espnet_plugin.report.plots.style import (
    add_legend,
    method_styles,
    plt,
    save_figure,
)
from espnet_plugin.results.size import row_size

__all__ = ["plot_curves"]

_KINDS = (
    ("dev_cer_by_epoch", "dev CER (%)"),
    ("dev_loss_by_epoch", "dev loss"),
)
# More sizes than that would make panels too small; the rest is in results.json.
_MOST_SIZES = 5
_MARKS_A_CURVE = 7


def plot_curves(results: Mapping[str, Any], folder: Union[str, Path]) -> Optional[Path]:
    """Draw a panel for each size and mode, with a line for each model and seed.

    Args:
        results: Content of results.json.
        folder: Where learning_curves.{png,svg} go.

    Returns:
        The PNG file; None, and a warning, if no row has a curve.
    """
    rows = [
        row for row in results.get("rows", []) if any(row.get(key) for key, _ in _KINDS)
    ]
    kinds = [(key, label) for key, label in _KINDS if any(r.get(key) for r in rows)]
    if not rows:
        logging.warning("no learning curves are drawn: no folder has a train.log")
        return None
    sizes = sorted({row_size(row) for row in rows}, reverse=True)
    if len(sizes) > _MOST_SIZES:
        logging.warning(
            "learning curves: sizes of %s layers are drawn, %s are not",
            ", ".join(map(str, sizes[:_MOST_SIZES])),
            ", ".join(map(str, sizes[_MOST_SIZES:])),
        )
        sizes = sizes[:_MOST_SIZES]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Where models have one mode, it is None.
    modes = sorted({row.get("mode") for row in rows}, key=str, reverse=True)
    columns = [(size, mode) for size in sizes for mode in modes]
    styles = method_styles(map(_key, rows))
    figure, panels = plt.subplots(
        len(kinds),
        len(columns),
        figsize=(
            2.8 + 2.9 * len(columns),
            max(3.2 * len(kinds), 1 + 0.21 * len(styles)),
        ),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for line, (key, label) in zip(panels, kinds):
        for panel, column in zip(line, columns):
            shown = [row for row in rows if (row_size(row), row.get("mode")) == column]
            _panel(panel, shown, key, styles)
        line[0].set_ylabel(label)
        _scale(line[0], rows, key)
    for panel, (size, mode) in zip(panels[0], columns):
        text = f"{size or '?'} layers" + (f", {mode}" if mode else "")
        panel.set_title(text, fontsize=10)
    for panel in panels[-1]:
        panel.set_xlabel("epoch")
    figure.suptitle(f"{results.get('corpus', '')}: learning curves", fontsize=11)
    add_legend(figure, panels.flat)
    return save_figure(figure, folder / "learning_curves")


def _panel(
    panel: Axes,
    rows: Sequence[Mapping],
    key: str,
    styles: Mapping[tuple[str, str], tuple[str, str]],
) -> None:
    for row in rows:
        values = _numbers(row.get(key))
        if not values:
            continue
        name = _key(row)
        colour, marker = styles[name]
        panel.plot(
            _numbers(row["curve_epochs"]),
            values,
            color=colour,
            linewidth=1.0,
            alpha=0.8,
            marker=marker,
            markersize=4,
            markerfacecolor="white",
            markevery=max(1, len(values) // _MARKS_A_CURVE),
            label=" ".join(name).strip(),
        )
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _key(row: Mapping) -> tuple[str, str]:
    """Method and variant, as in the other pictures."""
    return style_key(row["method"], row.get("variant") or "", row.get("mode"))


def _scale(panel: Axes, rows: Iterable[Mapping], key: str) -> None:
    """Logarithmic, so that the end, where models differ, is not flat at the bottom."""
    curves = [_finite(_numbers(row.get(key))) for row in rows]
    values = [value for curve in curves for value in curve]
    if min(values) <= 0:
        panel.set_ylim(0, 1.05 * max(values) or 1.0)
        return
    panel.set_yscale("log")
    panel.set_ylim(min(values) / 1.1, max(values) * 1.1)
    panel.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=20))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _numbers(text: Optional[str]) -> list[float]:
    return [float(number) for number in (text or "").split()]


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
