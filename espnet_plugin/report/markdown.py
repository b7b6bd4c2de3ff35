"""The report as markdown, between two marks in a file that people also edit."""

import os
from pathlib import Path
from typing import Sequence, Union

from jinja2 import Environment

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_text
from espnet_plugin.report.sections import report_sections
from espnet_plugin.results.results import Results

__all__ = ["BEGIN_MARK", "END_MARK", "insert_block", "markdown_block", "write_markdown"]

BEGIN_MARK = "<!-- results:begin -->"
END_MARK = "<!-- results:end -->"

# Pictures have captions and no headings.
_TEMPLATE = """\
### {{ corpus }}
{%- for section in sections %}
{%- set content = section.content %}
{%- if not content.pictures %}

{{ "###" if content.published else "####" }} {{ section.title }}
{%- endif %}
{%- if content.text %}

{{ content.text }}
{%- endif %}
{%- for table in content.tables %}
{%- if table.title %}

#### {{ table.title }}
{%- endif %}
{%- if table.caution %}

**Caution.** {{ table.caution }}
{%- endif %}

{{ table.markdown() }}
{%- if table.notes %}

{{ table.notes }}
{%- endif %}
{%- endfor %}
{%- if content.points %}

{% for point in content.points %}* {{ point }}
{{- "" if loop.last else "\\n" }}
{%- endfor %}
{%- endif %}
{%- for picture in content.pictures %}

![{{ picture.stem }}]({{ address(picture) }})
{%- endfor %}
{%- endfor %}"""


def markdown_block(
    results: Results,
    pictures: Sequence[Path] = (),
    folder: Union[str, Path] = ".",
) -> str:
    """Return all sections of the report, with the notes needed to read its tables.

    Args:
        results: The results to report.
        pictures: PNG files.
        folder: Folder of the markdown file; paths of pictures are relative to it.

    Raises:
        UserError: If there is no row.
    """
    home = Path(folder).resolve()

    def address(picture: Path) -> str:
        return Path(os.path.relpath(picture.resolve(), home)).as_posix()

    return (
        Environment()
        .from_string(_TEMPLATE)
        .render(
            corpus=results.corpus,
            sections=report_sections(results, pictures),
            address=address,
        )
    )


def insert_block(text: str, block: str, name: str = "the Markdown file") -> str:
    """Replace the text between the marks by ``block``; do not change the rest.

    Raises:
        UserError: If each mark is not there exactly once, or they are not in order.
    """
    if text.count(BEGIN_MARK) != 1 or text.count(END_MARK) != 1:
        raise UserError(
            f"{name} needs one line {BEGIN_MARK} and one line {END_MARK}, because the "
            "tables are written between them; the file was not changed"
        )
    before, rest = text.split(BEGIN_MARK)
    if END_MARK not in rest:
        raise UserError(
            f"{name}: {END_MARK} comes before {BEGIN_MARK}; swap the two lines"
        )
    after = rest.split(END_MARK)[1]
    return f"{before}{BEGIN_MARK}\n\n{block}\n\n{END_MARK}{after}"


def write_markdown(path: Union[str, Path], block: str) -> Path:
    """Write the tables between the marks of ``path``; create the file if it is missing
    or empty.

    Raises:
        UserError: If the file exists without the marks.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if not text:  # also of a file that a power cut has emptied
        text = f"# RESULTS\n\n{BEGIN_MARK}\n{END_MARK}\n"
    write_text(path, insert_block(text, block, str(path)))
    return path
