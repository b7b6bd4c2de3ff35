"""The list of a report's sections, which `markdown` and `html` render.

To add a section, write its builder and add it to `SECTIONS`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Sequence

from espnet_plugin.report.comparison_table import comparison_table, missing_notes
from espnet_plugin.report.confidence_table import confidence_table
from espnet_plugin.report.device_table import device_table
from espnet_plugin.report.dual_table import dual_mode_table
from espnet_plugin.report.published import (
    PUBLISHED_HEADING,
    PUBLISHED_SOURCE,
    published_tables,
)
from espnet_plugin.report.table import Table
from espnet_plugin.report.tables import cost_table, family_table, quality_table
from espnet_plugin.results.results import Results

__all__ = ["SECTIONS", "Content", "Section", "report_sections"]


@dataclass(frozen=True)
class Content:
    """The parts of a section, in this order; a part may be empty.

    Attributes:
        text: A paragraph.
        tables: Tables with their notes.
        points: Lines of a list.
        pictures: PNG files; an SVG file with the same name may be next to one.
        published: Whether the figures are published ones, not measured here.
    """

    text: str = ""
    tables: Sequence[Table] = ()
    points: Sequence[str] = ()
    pictures: Sequence[Path] = ()
    published: bool = False


# Function of results and pictures that returns the content; None: no such section.
Builder = Callable[[Results, Sequence[Path]], Optional[Content]]


@dataclass(frozen=True)
class Section:
    """A heading and its content."""

    title: str
    content: Content


def _of(table: Callable[[Results], Optional[Table]]) -> Builder:
    def build(results: Results, _: Sequence[Path]) -> Optional[Content]:
        made = table(results)
        return made and Content(tables=[made])

    return build


def _comparisons(results: Results, _: Sequence[Path]) -> Optional[Content]:
    table = comparison_table(results)
    sentences = [f"{one.sentence}." for one in results.comparisons]
    return table and Content(tables=[table], points=sentences)


def _pictures(_: Results, pictures: Sequence[Path]) -> Optional[Content]:
    return Content(pictures=pictures) if pictures else None


def _missing(results: Results, _: Sequence[Path]) -> Optional[Content]:
    notes = missing_notes(results)
    return Content(points=notes) if notes else None


def _published(results: Results, _: Sequence[Path]) -> Optional[Content]:
    tables = published_tables(results)
    return Content(PUBLISHED_SOURCE, tables, published=True) if tables else None


SECTIONS: tuple[tuple[str, Builder], ...] = (
    ("Two modes", _of(dual_mode_table)),
    ("Quality and size", _of(quality_table)),
    ("Cost", _of(cost_table)),
    ("On a device", _of(device_table)),
    ("Confidence of words", _of(confidence_table)),
    ("The whole family", _of(family_table)),
    ("Paired comparisons", _comparisons),
    ("Pictures", _pictures),
    ("Not there yet", _missing),
    (PUBLISHED_HEADING, _published),
)


def report_sections(results: Results, pictures: Sequence[Path] = ()) -> list[Section]:
    """Build all sections that have content.

    Args:
        results: The results to report.
        pictures: PNG files.

    Raises:
        UserError: If there is no row.
    """
    built = [(title, build(results, pictures)) for title, build in SECTIONS]
    return [Section(title, content) for title, content in built if content is not None]
