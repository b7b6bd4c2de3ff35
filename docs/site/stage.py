"""Collect the pages of the documentation's site: make docs.

  python docs/site/stage.py build/docs build/site
  mkdocs build -f build/docs/mkdocs.yml

The repository's markdown files keep their places, so that the links in them stay right;
files that they link to come along, and the command-line reference is generated.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import Iterable, Optional

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "benchmarks/*.md",
    "findings/*.md",
    "egs2/*/*/*.md",
    "egs2/*/*/earlier/*.md",
)
# Titles in the navigation, in its order; other pages of docs/ follow these.
TITLES = {
    "README": "Overview",
    "docs/your_own_model": "Your own model",
    "docs/recipes": "Recipes, stages and options",
    "docs/data": "Data",
    "docs/shapes": "Which sizes",
    "docs/baselines": "Baselines",
    "docs/dual_mode": "Dual mode",
    "docs/language_model": "Language models",
    "docs/recognise": "Recognising files",
    "docs/devices": "Devices and the browser",
    "docs/results": "Results",
    "docs/scaling": "Scaling",
    "docs/reliability": "Reliability",
    "docs/situations": "Situations tried",
    "docs/stock_recipe_run": "With ESPnet's own recipe",
    "docs/architecture": "Architecture",
    "CONTRIBUTING": "Contributing",
}
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
_ITEM = re.compile(r"(?:[*-]|\d+\.) +(?=\S)")
# A space that stays within its line: in an interval, after a bound's sign, before "%".
_KEPT = re.compile(r"(?<=\d), (?=[-+]?[\d.]+\])|(?<=[<>]=) (?=\d)|(?<=\d) (?=%)")


def links(text: str) -> list[str]:
    """Return the relative targets that a markdown text links to, without anchors."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    return [one for one in _LINK.findall(text) if "://" not in one]


def pages(root: Path = ROOT) -> list[Path]:
    """Return the markdown files of the site, relative to the repository."""
    found = (path for glob in PAGES for path in sorted(root.glob(glob)))
    return [path.relative_to(root) for path in found]


def for_site(text: str) -> str:
    """Return a page in the form in which Python-Markdown reads it as GitHub reads it.

    Python-Markdown wants paragraphs and tables of a list item indented by four columns,
    and a blank line between them and the next item. Intervals in tables get no-break
    spaces, so that narrow columns do not break them.
    """
    lines: list[str] = []
    width = 0  # of the mark of the list item that a line may belong to; 0: none
    blank = loose = fenced = False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        item = None if fenced else _ITEM.match(line)
        if item:
            if loose and not blank:
                lines.append("")
            width, loose = len(item.group()), False
        elif width and line.startswith(" " * width):
            loose = loose or blank
            line = " " * max(0, 4 - width) + line
        elif blank and line.strip():
            width, loose = 0, False
        blank = not line.strip()
        lines.append(_unbroken(line) if line.lstrip().startswith("|") else line)
    return "\n".join(lines)


def copy_pages(target: Path, root: Path = ROOT) -> None:
    """Copy the pages, and whatever files they link to.

    Links to what does not exist are left for mkdocs to report.
    """
    for page in pages(root):
        text = (root / page).read_text()
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        (target / page).write_text(for_site(text))
        for link in links(text):
            path = (root / page.parent / link).resolve()
            if path.is_file() and path.is_relative_to(root) and path.suffix != ".md":
                _copy(path, target / path.relative_to(root))


def write_reference(target: Path) -> None:
    """Write a page for each command and script, and their list, into a folder."""
    # Here, because it imports ESPnet.
    from commands import command_pages, script_pages

    target.mkdir(parents=True)
    index = ["# Commands", "", "What `--help` prints, of this version."]
    for title, made in (
        ("Scripts of the recipes", script_pages(ROOT)),
        ("Commands, which the scripts call", command_pages()),
    ):
        index += ["", f"## {title}", "", "| command | what |", "|---|---|"]
        for page in made:
            (target / f"{page.name}.md").write_text(page.markdown())
            index.append(f"| [`{page.command}`]({page.name}.md) | {page.summary} |")
    (target / "index.md").write_text("\n".join(index) + "\n")


def navigation(names: Iterable[Path]) -> list:
    """Return mkdocs' ``nav`` for pages of the root and of ``docs``."""
    named = {str(one.with_suffix("")): str(one) for one in names}
    nav: list = [{title: named[n]} for n, title in TITLES.items() if n in named]
    nav += [named[n] for n in named if n.startswith("docs/") and n not in TITLES]
    return [*nav, {"Commands": "docs/commands/index.md"}]


def main(cmd: Optional[list[str]] = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="for the pages and mkdocs.yml")
    parser.add_argument("site", type=Path, help="where mkdocs will write the site")
    args = parser.parse_args(cmd)
    target = args.target.resolve()
    shutil.rmtree(target, ignore_errors=True)
    copy_pages(target / "pages")
    _copy(ROOT / "docs/site/style.css", target / "pages/docs/site/style.css")
    write_reference(target / "pages/docs/commands")
    settings = {
        "INHERIT": str(ROOT / "docs/site/mkdocs.yml"),
        "docs_dir": str(target / "pages"),
        "site_dir": str(args.site.resolve()),
        "nav": navigation(pages()),
    }
    (target / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return 0


def _unbroken(row: str) -> str:
    """Put no-break spaces into a table's row, outside of code."""
    parts = row.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = _KEPT.sub(lambda found: found[0].replace(" ", "\xa0"), parts[i])
    return "`".join(parts)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
