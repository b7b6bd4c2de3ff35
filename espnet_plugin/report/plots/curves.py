"""A picture of the learning curves: error rate and loss on dev, epoch by epoch."""

import logging
import math
from pathlib import Path
from typing import Callable, Collection, Iterable, Mapping, Optional, Sequence, Union

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from espnet_plugin.report.plots.choice import Choice, choose
from espnet_plugin.report.plots.colours import method_styles
from espnet_plugin.report.plots.series import series_key, style_key
from espnet_plugin.report.plots.style import add_caption, add_legend, plt, save_figure
from espnet_plugin.results.results import Results
from espnet_plugin.results.row import Row
from espnet_plugin.shape import largest_first

__all__ = ["plot_curves"]

# Function that returns the values of a row in one line of panels; None: not known.
Values = Callable[[Row], Optional[tuple[float, ...]]]

_KINDS: tuple[tuple[Values, str], ...] = (
    (lambda row: row.curve.dev_cer_by_epoch, "dev CER (%)"),
    (lambda row: row.curve.dev_loss_by_epoch, "dev loss"),
)
# With more sizes the panels would be too small; the others are in results.json.
_MOST_SIZES = 5
_MARKS_A_CURVE = 7


def plot_curves(
    results: Results, folder: Union[str, Path], rivals: Sequence[str] = ()
) -> Optional[Path]:
    """Draw a panel for each size and mode, with a line for each model and seed.

    It shows the methods of the other pictures, and those without a score.

    Args:
        results: The results whose rows are drawn.
        folder: Output folder for learning_curves.{png,svg}.
        rivals: The rivals that are shown, see `choose`; none: chosen by its rule.

    Returns:
        The PNG file; None, and a warning, if no row has a curve.

    Raises:
        UserError: If a rival does not exist.
    """
    choice = choose([one for one in results.groups if one.test_wer is not None], rivals)
    left_out = {one.key for one in choice.others}
    known = [row for row in results.rows if any(of(row) for of, _ in _KINDS)]
    rows = [row for row in known if _series(row) not in left_out]
    kinds = [(of, label) for of, label in _KINDS if any(map(of, rows))]
    if not rows:
        logging.warning("learning curves are not drawn: no folder has a train.log")
        return None
    sizes = largest_first({row.identity.shape for row in rows})
    if len(sizes) > _MOST_SIZES:
        logging.warning(
            "learning curves: only the sizes of %s layers are drawn, not %s",
            ", ".join(map(str, sizes[:_MOST_SIZES])),
            ", ".join(map(str, sizes[_MOST_SIZES:])),
        )
        sizes = sizes[:_MOST_SIZES]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The mode is None if models have only one.
    modes = sorted({row.mode for row in rows}, key=str, reverse=True)
    columns = [(size, mode) for size in sizes for mode in modes]
    # Methods in the order of the other pictures, so that they have the same colours.
    order = {key: rank for rank, key in enumerate(choice.styles)}
    ranked = sorted(rows, key=lambda row: order.get(_series(row), len(order)))
    styles = method_styles(map(_key, ranked))
    figure, panels = plt.subplots(
        len(kinds),
        len(columns),
        figsize=(2.8 + 2.9 * len(columns), 3.2 * len(kinds) + 0.3),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for line, (of, label) in zip(panels, kinds):
        for panel, column in zip(line, columns):
            shown = [row for row in rows if (row.identity.shape, row.mode) == column]
            _panel(panel, shown, of, styles)
        line[0].set_ylabel(label)
        _scale(line[0], rows, of)
    for panel, (size, mode) in zip(panels[0], columns):
        text = f"{size} layers" + (f", {mode}" if mode else "")
        panel.set_title(text, fontsize=10)
    for panel in panels[-1]:
        panel.set_xlabel("epoch")
    figure.suptitle(f"{results.corpus}: learning curves", fontsize=11)
    add_legend(figure, panels.flat)
    if len(rows) < len(known):
        add_caption(figure, _rule(choice, {_series(row) for row in known} & left_out))
    return save_figure(figure, folder / "learning_curves")


def _rule(choice: Choice, left_out: Collection[tuple[str, str]]) -> str:
    return (
        f"{choice.rule} The curves of the other {len(left_out)} are in results.json "
        "alone."
    )


def _panel(
    panel: Axes,
    rows: Sequence[Row],
    of: Values,
    styles: Mapping[tuple[str, str], tuple[str, str]],
) -> None:
    for row in rows:
        values = of(row)
        if not values:
            continue
        name = _key(row)
        colour, marker = styles[name]
        panel.plot(
            row.curve.curve_epochs,
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


def _key(row: Row) -> tuple[str, str]:
    """Return method and variant, as in the other pictures."""
    return style_key(row.identity.method, row.identity.variant, row.mode)


def _series(row: Row) -> tuple[str, str]:
    """Return the key of the row's series in the other pictures."""
    return series_key(row.identity.method, row.identity.variant, row.mode)


def _scale(panel: Axes, rows: Iterable[Row], of: Values) -> None:
    """Set a logarithmic axis, so that late differences between models are visible."""
    curves = [of(row) or () for row in rows]
    values = [value for curve in curves for value in curve if math.isfinite(value)]
    if min(values) <= 0:
        panel.set_ylim(0, 1.05 * max(values) or 1.0)
        return
    panel.set_yscale("log")
    panel.set_ylim(min(values) / 1.1, max(values) * 1.1)
    panel.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=20))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
