"""The report as one HTML file that needs no network and no other file.

Its chart is interactive: the reader chooses axes, methods and sizes, and points show
their values. It is drawn by a small script of this plugin in plain SVG, not by a
library: Plotly's plotly.min.js alone (version 7.1) has 4.8 MB, 28 times as much as
AN4's results.json with all its counts. Our script and style have 38 kB, and the
functions needed here (choosing, hovering, sorting) take a few hundred lines. Markers
and colours are those of the static pictures.

The page's content security policy allows only this script (by its hash) and images from
the file itself; nothing may be downloaded. Without JavaScript, the tables and the
static pictures are still shown.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from jinja2 import Environment
from markupsafe import Markup

from espnet_plugin.files import write_text
from espnet_plugin.report.chart_data import chart_data
from espnet_plugin.report.plots.choice import OTHERS
from espnet_plugin.report.sections import report_sections
from espnet_plugin.report.summary import size_sentences
from espnet_plugin.results.results import Results

__all__ = ["report_html", "write_html"]

_PAGE = Path(__file__).parent / "page"
# One script, in this order.
_SCRIPTS = (
    "scales",
    "labels",
    "shapes",
    "chart",
    "controls",
    "hover",
    "tables",
    "main",
)


def report_html(
    results: Results, pictures: Sequence[Path] = (), rivals: Sequence[str] = ()
) -> str:
    """Return all sections of the report as one page.

    Args:
        results: The results to report.
        pictures: PNG files; if an SVG file of the same name exists, the smaller of the
            two is used. The second pictures (of methods that the first ones leave out)
            are not used: they would double the size of the file, and the page's chart
            shows every method.
        rivals: Methods that are shown initially with the main one, see `choose`; if
            empty, they are chosen by its rule.

    Raises:
        UserError: If there is no row, or a rival does not exist.
    """
    pictures = [one for one in pictures if not one.stem.endswith(OTHERS)]
    data, script, style = chart_data(results, rivals), _script(), _read("report.css")
    return (
        Environment(autoescape=True, keep_trailing_newline=True)
        .from_string(_read("report.html"))
        .render(
            corpus=results.corpus,
            sections=report_sections(results, pictures),
            sentences=size_sentences(results),
            data=data,
            json=_json(data),
            policy=_policy(script, style),
            script=Markup(script),
            style=Markup(style),
            data_of=_data_of,
        )
    )


def write_html(
    path: Union[str, Path],
    results: Results,
    pictures: Sequence[Path] = (),
    rivals: Sequence[str] = (),
) -> Path:
    """Write `report_html` to a file, and return its path."""
    write_text(path, report_html(results, pictures, rivals))
    return Path(path)


def _read(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _script() -> str:
    """Return all scripts as one that defines no global names."""
    parts = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _json(data: Mapping[str, Any]) -> Markup:
    """Return JSON that is safe inside an HTML element, whatever names it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _policy(script: str, style: str) -> str:
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, style)
    ]
    return (
        f"default-src 'none'; img-src data:; script-src 'sha256-{hashes[0]}'; "
        f"style-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )


def _data_of(picture: Path) -> str:
    """Return an image as a data URI, so that names in SVG files cannot collide."""
    drawing = picture.with_suffix(".svg")
    files = [picture, *([drawing] if drawing.is_file() else [])]
    source = min(files, key=lambda file: file.stat().st_size)
    kind = source.suffix.lstrip(".").replace("svg", "svg+xml")
    data = base64.b64encode(source.read_bytes()).decode("ascii")
    return f"data:image/{kind};base64,{data}"
