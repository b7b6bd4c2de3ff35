"""The report as one HTML file: no network, no other file, nothing to run."""

import base64
from html import escape
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

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

__all__ = ["report_html", "write_html"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1400px;
       padding: 0 1.5em; color: #1a1a1a; background: #fff; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .6em 0; }
th, td { border: 1px solid #ccc; padding: .25em .6em; text-align: left;
         white-space: nowrap; }
th { background: #f0f0f0; }
tbody tr:nth-child(even) { background: #fafafa; }
p, ul { max-width: 60em; }
img { max-width: 100%; height: auto; }
.published { border: 2px dashed #999; background: #f4f1ea; padding: .2em 1.2em 1em;
             margin-top: 3em; }
.published tbody tr:nth-child(even) { background: transparent; }
"""


def report_html(
    results: Mapping[str, Any],
    comparisons: Sequence[Comparison] = (),
    plots: Sequence[Path] = (),
) -> str:
    """Write the whole report: tables, pictures, comparisons, published figures.

    Args:
        results: Content of results.json.
        comparisons: From `compare_all`.
        plots: PNG files; where an SVG of the same name is beside one, that is taken.

    Raises:
        UserError: If there is no row.
    """
    title = escape(f"{results['corpus']}: report")
    parts = [f"<h1>{title}</h1>"]
    for table in (
        dual_mode_table(results),
        quality_table(results),
        cost_table(results),
        family_table(results),
    ):
        parts += _table(table) if table else []
    if plots:
        parts.append("<h2>Pictures</h2>")
        parts += [_picture(path) for path in plots]
    compared = comparison_table(comparisons, set_name(results))
    if compared:
        parts += _table(compared)
        sentences = [f"<li>{escape(one.sentence)}.</li>" for one in comparisons]
        parts += ["<ul>", *sentences, "</ul>"]
    missing = missing_notes(results)
    if missing:
        notes = [line.removeprefix("* ") for line in missing.splitlines()]
        parts += ["<h2>Not there yet</h2>", "<ul>"]
        parts += [*(f"<li>{escape(note)}</li>" for note in notes), "</ul>"]
    if published := published_tables(results):
        parts.append('<section class="published">')
        parts.append(f"<h2>{escape(PUBLISHED_HEADING)}</h2>")
        parts.append(f"<p>{escape(PUBLISHED_SOURCE)}</p>")
        for table in published:
            parts += _table(table, "h3")
        parts.append("</section>")
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def write_html(path: Union[str, Path], *args: Any) -> Path:
    """Write `report_html` of ``args`` to a file, and return its path."""
    write_text(path, report_html(*args))
    return Path(path)


def _table(table: Table, heading: str = "h2") -> list[str]:
    parts = [f"<{heading}>{escape(table.title)}</{heading}>"] if table.title else []
    parts.append('<div class="wide"><table>')
    parts.append(f"<thead>{_line(table.header, 'th')}</thead>")
    parts += ["<tbody>", *(_line(line, "td") for line in table.lines)]
    parts.append("</tbody></table></div>")
    if table.notes:
        # Emphasis and code are all the markdown that notes have.
        notes = table.notes.replace("*", "").replace("`", "")
        parts.append(f"<p>{escape(notes)}</p>")
    return parts


def _line(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _picture(path: Path) -> str:
    """An image inside the page; as an image, the names in one SVG meet no other's."""
    drawing = path.with_suffix(".svg")
    source, kind = (
        (drawing, "svg+xml") if drawing.is_file() else (path, path.suffix.lstrip("."))
    )
    data = base64.b64encode(source.read_bytes()).decode("ascii")
    name = escape(path.stem.replace("_", " "))
    return f'<p><img alt="{name}" src="data:image/{kind};base64,{data}"></p>'
