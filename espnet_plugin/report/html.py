"""The report as one HTML file: no network, no other file, nothing to run."""

import base64
from pathlib import Path
from typing import Sequence, Union

from jinja2 import Environment

from espnet_plugin.files import write_text
from espnet_plugin.report.sections import report_sections
from espnet_plugin.results.results import Results

__all__ = ["report_html", "write_html"]

_TEMPLATE = """\
{%- macro line(cells, tag) -%}
<tr>{% for cell in cells %}<{{ tag }}>{{ cell }}</{{ tag }}>{% endfor %}</tr>
{%- endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ corpus }}: report</title>
<style>
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
</style>
</head>
<body>
<h1>{{ corpus }}: report</h1>
{%- for section in sections %}
{%- set content = section.content %}
<section{% if content.published %} class="published"{% endif %}>
<h2>{{ section.title }}</h2>
{%- if content.text %}
<p>{{ content.text }}</p>
{%- endif %}
{%- for table in content.tables %}
{%- if table.title %}
<h3>{{ table.title }}</h3>
{%- endif %}
<div class="wide"><table>
<thead>{{ line(table.header, "th") }}</thead>
<tbody>
{%- for cells in table.lines %}
{{ line(cells, "td") }}
{%- endfor %}
</tbody></table></div>
{%- if table.notes %}
<p>{{ table.notes | replace("*", "") | replace("`", "") }}</p>
{%- endif %}
{%- endfor %}
{%- if content.points %}
<ul>
{%- for point in content.points %}
<li>{{ point }}</li>
{%- endfor %}
</ul>
{%- endif %}
{%- for picture in content.pictures %}
<p><img alt="{{ picture.stem | replace("_", " ") }}" src="{{ data_of(picture) }}"></p>
{%- endfor %}
</section>
{%- endfor %}
</body>
</html>
"""


def report_html(results: Results, pictures: Sequence[Path] = ()) -> str:
    """All sections of the report as one page.

    Args:
        results: What is reported.
        pictures: PNG files; where an SVG of the same name is beside one, that is taken.

    Raises:
        UserError: If there is no row.
    """
    return (
        Environment(autoescape=True, keep_trailing_newline=True)
        .from_string(_TEMPLATE)
        .render(
            corpus=results.corpus,
            sections=report_sections(results, pictures),
            data_of=_data_of,
        )
    )


def write_html(
    path: Union[str, Path], results: Results, pictures: Sequence[Path] = ()
) -> Path:
    """Write `report_html` to a file, and return its path."""
    write_text(path, report_html(results, pictures))
    return Path(path)


def _data_of(picture: Path) -> str:
    """An image inside the page; as an image, the names in one SVG meet no other's."""
    drawing = picture.with_suffix(".svg")
    source, kind = (
        (drawing, "svg+xml")
        if drawing.is_file()
        else (picture, picture.suffix.lstrip("."))
    )
    data = base64.b64encode(source.read_bytes()).decode("ascii")
    return f"data:image/{kind};base64,{data}"
