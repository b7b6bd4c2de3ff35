"""A table before it is markdown or HTML, and how figures are written in it."""

import math
from dataclasses import dataclass
from typing import Optional, Sequence

__all__ = [
    "NOT_KNOWN",
    "Table",
    "cost",
    "fill",
    "interval",
    "make_table",
    "number",
    "scaled",
    "with_interval",
]

NOT_KNOWN = "?"


@dataclass(frozen=True)
class Table:
    """A table before it is markdown or HTML.

    Attributes:
        title: Its heading; may be empty.
        header: Names of the columns.
        lines: The cells.
        notes: What has to be known to read it, one paragraph; may be empty.
    """

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    notes: str = ""

    def markdown(self) -> str:
        """The table alone, with padded cells, so that a terminal shows it well too."""
        table = [list(self.header), *map(list, self.lines)]
        table = [[cell.replace("|", "\\|") for cell in line] for line in table]
        widths = [max(len(line[i]) for line in table) for i in range(len(self.header))]
        drawn = [
            "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |"
            for line in table
        ]
        drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(drawn)


def make_table(
    title: str,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    notes: str,
    optional: Sequence[str] = (),
) -> Table:
    """Make a table, without those columns that nothing is known for.

    Args:
        title: See `Table`.
        header: Names of all columns.
        lines: The cells of all columns.
        notes: See `Table`; may have line breaks.
        optional: The columns that older measurements or other corpora leave empty.
    """
    kept = [
        index
        for index, name in enumerate(header)
        if name not in optional
        or any(char.isdigit() for line in lines for char in line[index])
    ]
    cells = [[line[index] for index in kept] for line in lines]
    return Table(title, [header[index] for index in kept], cells, fill(notes))


def number(value: Optional[float], digits: int) -> str:
    """A figure with so many digits behind the point."""
    return NOT_KNOWN if value is None else f"{value:.{digits}f}"


def scaled(value: Optional[float], unit: float) -> str:
    """A figure in units of ``unit``, with two digits."""
    return NOT_KNOWN if value is None else f"{value / unit:.2f}"


def cost(value: Optional[float], unit: float) -> str:
    """Two or three digits that count, never in powers of ten for what people read."""
    if value is None:
        return NOT_KNOWN
    value /= unit
    if value == 0 or value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    if value >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.{2 - math.floor(math.log10(value))}f}"


def interval(ends: tuple[float, float]) -> str:
    """An interval, with one digit."""
    return f"[{ends[0]:.1f}, {ends[1]:.1f}]"


def with_interval(rate: Optional[float], ends: Optional[tuple[float, float]]) -> str:
    """An error rate in percent and its interval, where that is known."""
    return number(rate, 1) + (f" {interval(ends)}" if ends else "")


def fill(text: str) -> str:
    """One line a paragraph: markdown shows it the same, and edits stay small."""
    return " ".join(text.split())
