"""Small multiples: a panel for each method that the first picture leaves out."""

import textwrap
from pathlib import Path
from typing import Optional, Sequence

from matplotlib.axes import Axes

from espnet_plugin.report.plots.choice import Choice
from espnet_plugin.report.plots.labels import Label, place_labels
from espnet_plugin.report.plots.points import (
    Panel,
    draw_bar,
    finish_panel,
    mark_of,
    rate_label,
    thin_ticks,
    upper_limit,
)
from espnet_plugin.report.plots.series import Series
from espnet_plugin.report.plots.style import add_caption, plt, save_figure
from espnet_plugin.results.group import Group

__all__ = ["draw_others"]

_COLUMNS = 4
_GREY = "#9a9a9a"
_LINE_STYLES = ("-", "--", ":", "-.")
_TITLE_WIDTH = 30  # characters


def draw_others(
    stem: Path,
    choice: Choice,
    title: str,
    panels: Sequence[Panel],
    scored: str = "test",
    caution: str = "",
) -> Optional[Path]:
    """Draw a small panel for each series, with main method and "scratch" in grey.

    Args:
        stem: Path of the files without their endings, .png and .svg.
        choice: Its ``others`` are drawn.
        title: Title of the figure.
        panels: A series is drawn in the first panel that has a value for it.
        scored: Name of the scored set.
        caution: Sentences below the panels; may be empty.

    Returns:
        The PNG file; None if no series has a value.
    """
    drawn = [
        (one, panel)
        for one in choice.others
        for panel in [_panel_of(one, panels)]
        if panel is not None
    ]
    if not drawn:
        return None
    columns = min(_COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(max(0.6 + 2.6 * columns, 5.8), 1.4 + 2.25 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    series = (*choice.beside, *choice.others)
    groups = [group for one in series for group in one.groups]
    limit = upper_limit(groups)
    xs = [x for panel in panels for group in groups if (x := panel.x_of(group))]
    cells = list(axes.flat)
    texts = [
        _cell(cell, one, panel, choice, limit)
        for cell, (one, panel) in zip(cells, drawn)
    ]
    for cell, (_, panel) in zip(cells, drawn):
        finish_panel(cell, xs, marks_a_side=4)
    for cell in cells[len(drawn) :]:
        cell.set_visible(False)
    for column, cell in enumerate(cells[:columns]):
        last = [row for row in range(rows) if row * columns + column < len(drawn)][-1]
        cells[last * columns + column].tick_params(labelbottom=True)
    cells[0].set_ylim(0, limit)
    figure.supylabel(rate_label(groups, scored), fontsize=10)
    figure.suptitle(title, fontsize=11)
    labels = dict.fromkeys(_axis_name(panel) for _, panel in drawn)
    across = f"Across: {'; '.join(labels)}."
    lines = [across, _grey_words(choice), *([caution] if caution else [])]
    add_caption(figure, "\n".join(lines))
    figure.draw_without_rendering()
    thin_ticks(figure, cells[: len(drawn)])
    for cell, (marks, points) in zip(cells, texts):
        place_labels(cell, marks, points)
    return save_figure(figure, stem)


def _panel_of(one: Series, panels: Sequence[Panel]) -> Optional[Panel]:
    return next((panel for panel in panels if any(map(panel.x_of, one.groups))), None)


def _axis_name(panel: Panel) -> str:
    return f"{panel.title}, {panel.label}" if panel.title else panel.label


def _grey_words(choice: Choice) -> str:
    """Describe the grey lines in words."""
    kinds = ("solid", "dashed", "dotted", "dash-dotted")
    names = [" ".join(key).strip() for key in _keys(choice)]
    parts = [f"{name} ({kind})" for name, kind in zip(names, kinds)]
    return f"In grey beside each: {', '.join(parts)}."


def _keys(choice: Choice) -> list[tuple[str, str]]:
    return list(dict.fromkeys(one.key for one in choice.beside))


def _cell(
    cell: Axes, one: Series, panel: Panel, choice: Choice, limit: float
) -> tuple[list[Label], list[tuple[float, float]]]:
    """Draw one series over the grey ones; return its labels and all of its points."""
    for key, kind in zip(_keys(choice), _LINE_STYLES):
        for grey in choice.beside:
            if grey.key == key:
                _line(cell, grey, panel, (_GREY, "."), limit, linestyle=kind)
    colour, marker = choice.styles[one.key]
    known = _line(cell, one, panel, (colour, marker), limit, linewidth=1.4, zorder=3)
    for group in known:
        draw_bar(cell, panel.x_of(group), group, colour, limit)
    facts = [one.scored, *([panel.title] if panel.title else [])]
    # Non-breaking spaces, so that no line ends within a fact.
    facts = [fact.replace(" ", "\u00a0") for fact in facts]
    name = ", ".join([" ".join(one.key).strip(), *facts])
    cell.set_title("\n".join(textwrap.wrap(name, _TITLE_WIDTH)), fontsize=8, pad=9)
    places = [(panel.x_of(g), min(g.error_rate, limit)) for g in known]
    labels = [
        Label(*place, mark_of(group, one.mark(group), limit), colour)
        for group, place in zip(known, places)
    ]
    return labels, places


def _line(
    cell: Axes,
    one: Series,
    panel: Panel,
    style: tuple[str, str],
    limit: float,
    **look: object,
) -> list[Group]:
    """Draw the points of a series and a line; return the groups with a value."""
    colour, marker = style
    known = [group for group in one.groups if panel.x_of(group)]
    if not known:
        return []  # an empty line breaks matplotlib's layout
    cell.plot(
        [panel.x_of(group) for group in known],
        [min(group.error_rate, limit) for group in known],
        color=colour,
        marker=marker,
        markersize=5,
        clip_on=False,
        **look,
    )
    return known
