"""The report as markdown, between two marks of a file that people write in too."""

from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_text
from espnet_plugin.report.cells import Table
from espnet_plugin.report.cost_table import cost_table, family_table
from espnet_plugin.report.dual_table import dual_mode_table
from espnet_plugin.report.published import (
    PUBLISHED_HEADING,
    PUBLISHED_SOURCE,
    published_tables,
)
from espnet_plugin.report.table import (
    comparison_table,
    missing_notes,
    quality_table,
    set_name,
)
from espnet_plugin.results.comparison import Comparison

__all__ = ["BEGIN_MARK", "END_MARK", "insert_block", "markdown_block", "write_markdown"]

BEGIN_MARK = "<!-- results:begin -->"
END_MARK = "<!-- results:end -->"


def markdown_block(
    results: Mapping[str, Any],
    comparisons: Sequence[Comparison] = (),
    plots: Sequence[tuple[str, str]] = (),
) -> str:
    """All tables with what has to be known to read them.

    Args:
        results: Content of results.json.
        comparisons: From `compare_all`.
        plots: (caption, address relative to the markdown file) of each picture.

    Raises:
        UserError: If there is no row.
    """
    tables = [quality_table(results), cost_table(results), family_table(results)]
    parts, name = [f"### {results['corpus']}"], set_name(results)
    tables.insert(0, dual_mode_table(results))
    for table in [*tables, comparison_table(comparisons, name)]:
        if table is not None:
            parts += _parts(table)
    parts += [f"![{caption}]({address})" for caption, address in plots]
    missing = missing_notes(results)
    if missing:
        parts += ["#### Not there yet", missing]
    if published := published_tables(results):
        parts += [f"### {PUBLISHED_HEADING}", PUBLISHED_SOURCE]
    for table in published:
        parts += _parts(table)
    return "\n\n".join(parts)


def _parts(table: Table) -> list[str]:
    heading = [f"#### {table.title}"] if table.title else []
    return [*heading, table.markdown(), *([table.notes] if table.notes else [])]


def insert_block(text: str, block: str, name: str = "the markdown file") -> str:
    """Replace what stands between the marks by ``block``, and leave the rest alone.

    Raises:
        UserError: If the marks do not stand there once each and in order.
    """
    if text.count(BEGIN_MARK) != 1 or text.count(END_MARK) != 1:
        raise UserError(
            f"{name} needs one line {BEGIN_MARK} and one line {END_MARK}, where the "
            "tables shall stand; it was left as it is"
        )
    before, rest = text.split(BEGIN_MARK)
    if END_MARK not in rest:
        raise UserError(f"{name}: {END_MARK} stands before {BEGIN_MARK}; swap them")
    after = rest.split(END_MARK)[1]
    return f"{before}{BEGIN_MARK}\n\n{block}\n\n{END_MARK}{after}"


def write_markdown(path: Union[str, Path], block: str) -> None:
    """Put the tables between the marks of ``path``, or make a file that has them.

    Raises:
        UserError: If the file exists without the marks.
    """
    path = Path(path)
    if path.exists():
        text = path.read_text(encoding="utf-8")
    else:
        text = f"# RESULTS\n\n{BEGIN_MARK}\n{END_MARK}\n"
    write_text(path, insert_block(text, block, str(path)))
