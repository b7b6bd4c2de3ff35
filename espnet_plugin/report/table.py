"""Tables with the columns declared in `metrics`, before rendering."""

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

from espnet_plugin.results.cell_text import NONE
from espnet_plugin.results.metric import TIME, Metric
from espnet_plugin.results.metrics import columns_of
from espnet_plugin.results.retained import retained_note

__all__ = ["Line", "Table", "fill", "metric_table", "time_unit"]

_SECONDS_PER_HOUR = 3600.0
# Longer trainings are written in hours.
_MOST_MINUTES = 600.0


@dataclass(frozen=True)
class Table:
    """A table that can be rendered as markdown or HTML.

    Attributes:
        header: Names of the columns.
        lines: The cells.
        notes: Explanations below the table, one paragraph; may be empty.
        title: Heading within a section of several tables; may be empty.
        caution: Sentences above the table without which its figures mislead; may be
            empty.
    """

    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    notes: str = ""
    title: str = ""
    caution: str = ""

    def markdown(self) -> str:
        """Return the table as markdown, with padded cells for reading in a terminal."""
        table = [list(self.header), *map(list, self.lines)]
        table = [[cell.replace("|", "\\|") for cell in line] for line in table]
        widths = [max(len(line[i]) for line in table) for i in range(len(self.header))]
        drawn = [
            "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |"
            for line in table
        ]
        drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(drawn)


@dataclass(frozen=True)
class Line:
    """A line of a table of metrics.

    Attributes:
        first: Cells before those of the metrics, e.g. the name.
        of: The group or family whose metrics are shown, or an object from which
            ``pick`` of `metric_table` selects one.
        last: Cells after those of the metrics.
    """

    first: Sequence[str]
    of: Any
    last: Sequence[str] = ()


def metric_table(
    table: str,
    header: tuple[Sequence[str], Sequence[str]],
    lines: Sequence[Line],
    notes: tuple[str, str],
    facts: Optional[Mapping[str, str]] = None,
    pick: Callable[[Any, Metric], Any] = lambda one, metric: one,
    with_column_notes: bool = True,
    without: Iterable[str] = (),
) -> Table:
    """Make a table with all columns that the metrics declare for it.

    Optional columns without any value, e.g. for older measurements or other corpora,
    are left out with their notes. Values retained from an earlier results.json are
    named below the table.

    Args:
        table: Name of the table in `metrics`.
        header: Names of the columns before and after those of the metrics.
        lines: Lines, one for each group or family.
        notes: Text before and after the notes of the columns.
        facts: Replacements for words in braces in the notes of columns.
        pick: Function that returns the object whose metric a column shows, from ``of``
            of a line; None for a dash.
        with_column_notes: Whether the columns' notes are printed below the table.
        without: Names of metrics that are not shown.
    """
    time_name, seconds = time_unit([line.of for line in lines])
    columns, known = [], []
    for metric, column in columns_of(table):
        if metric.name in without:
            continue
        unit = seconds if column.unit == TIME else column.unit
        shown = [pick(line.of, metric) for line in lines]
        cells = [
            NONE if one is None else column.write(one, metric.name, unit)
            for one in shown
        ]
        if column.optional and not any(c.isdigit() for cell in cells for c in cell):
            continue
        known.append(column)
        columns.append(cells)
    texts = [column.note for column in known] if with_column_notes else []
    text = " ".join([notes[0], *texts, notes[1]])
    for name, fact in (facts or {}).items():
        text = text.replace(f"{{{name}}}", fact)
    ones = [line.of for line in lines if hasattr(line.of, "retained")]
    text += retained_note([(one.label, one.retained) for one in ones])
    names = [column.header.replace("{time}", time_name) for column in known]
    return Table(
        [*header[0], *names, *header[1]],
        [
            [*line.first, *(cells[index] for cells in columns), *line.last]
            for index, line in enumerate(lines)
        ],
        fill(text),
    )


def fill(text: str) -> str:
    """Join the lines of a paragraph, so that changes of the text give small diffs."""
    return " ".join(text.split())


def time_unit(ones: Iterable[Any]) -> tuple[str, float]:
    """Choose the unit of the training times of groups or families.

    Returns:
        Its name, and its length in seconds.
    """
    wholes = [getattr(one, "whole", None) for one in ones]
    times = [whole["train_seconds"] for whole in wholes if whole]
    if max(filter(None, times), default=0.0) > 60.0 * _MOST_MINUTES:
        return "h", _SECONDS_PER_HOUR
    return "min", 60.0
