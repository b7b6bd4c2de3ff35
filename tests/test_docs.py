"""The documentation: its links, its figures, and the site of make docs."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import chromium, served

from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.option import options_of

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for glob in (
        "*.md",
        "docs/*.md",
        "benchmarks/*.md",
        "findings/*.md",
        "egs2/*/*/*.md",
        "egs2/*/*/earlier/*.md",
    )
    for path in ROOT.glob(glob)
)
BIN = ROOT / "espnet_plugin/bin"


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", "", text)


def anchors(text):
    """The names that headings get, on the site and on hosting services."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {one.strip().replace(" ", "-") for one in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_readme_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake (\w+)\b", text)) - {"an"} <= set(targets)


# The rows of README's table, as AN4's results name them: results.json, and the file of
# the better reference.
README_ROWS = {
    "reference": ("reference", ""),
    "EncRL": ("encrl", ""),
    "first layers copied, all sizes in one CTC training": (
        "early_exit",
        "first layers, equal cost",
    ),
    "from scratch, 12 epochs": ("scratch", ""),
}
BETTER_REFERENCE_ROWS = {
    "from scratch, 20 epochs (three seeds)": ("scratch", "20 epochs"),
    "EncRL, better reference (three seeds)": (
        "encrl",
        "reference of 28 epochs, 14 and 8 epochs, temperature 4",
    ),
    "one CTC training, better reference (two seeds)": (
        "early_exit",
        "first layers, 18 epochs",
    ),
}


def test_figures_of_readme():
    folder = ROOT / "egs2/an4/encrl1"
    results, better = (
        json.loads((folder / name).read_text())
        for name in ("results.json", "reference_28.json")
    )
    named = {name: (results, key) for name, key in README_ROWS.items()}
    named |= {name: (better, key) for name, key in BETTER_REFERENCE_ROWS.items()}
    rows = {}
    for line in (ROOT / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] in named:
            rows[cells[0]] = cells[1:]
    assert list(rows) == list(named)

    def operations(results, key):
        (one,) = [f for f in results["families"] if (f["method"], f["variant"]) == key]
        cost = one["whole_cost"]
        return cost["train_flops"] + cost["teacher_flops"]

    scratch = operations(*named["from scratch, 12 epochs"])
    for name, (source, key) in named.items():
        means = {
            one["layers"]: f"{one['test_wer_mean']:.1f} "
            f"[{one['wer_ci95'][0]:.1f}, {one['wer_ci95'][1]:.1f}]"
            for one in source["aggregates"]
            if (one["method"], one["variant"]) == key
        }
        assert rows[name][:4] == [means.get(layers, "") for layers in (12, 6, 4, 2)]
        if name != "reference":
            assert rows[name][4] == f"{operations(source, key) / scratch:.2f}".rstrip(
                "0."
            )


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "docs/site/stage.py", folder / "docs", folder / "site"]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.mark.slow
def test_reference_has_every_option(staged):
    reference = staged / "docs/pages/docs/commands"
    commands = [one for one in BIN.glob("*.py") if '== "__main__"' in one.read_text()]
    assert len(commands) > 20
    for command in commands:
        page = (reference / f"{command.stem}.md").read_text()
        own = re.findall(r'\badd(?:_argument)?\(\s*"(--\w+)"', command.read_text())
        assert all(f"{name} " in page or f"{name}\n" in page for name in own), command
    for name, family in FAMILIES.items():
        page = (reference / f"{name}.md").read_text()
        names = [one.name for one in options_of(family.options)]
        assert len(names) > 25
        assert sorted(re.findall(r"^  --(\w+) ", page, re.MULTILINE)) == sorted(names)


@pytest.mark.slow
def test_lists_stay_lists_on_the_site(staged):
    """Python-Markdown would take an item after a table in an item for text."""
    markdown = pytest.importorskip("markdown")
    for page in PAGES:
        text = (staged / "docs/pages" / page.relative_to(ROOT)).read_text()
        html = markdown.markdown(text, extensions=["tables", "fenced_code"])
        for paragraph in re.findall(r"<p>(.*?)</p>", html, re.DOTALL):
            assert not re.search(r"\n\s*(\* |\|)", paragraph), (page, paragraph)


@pytest.fixture(scope="module")
def site(staged):
    if importlib.util.find_spec("material") is None:
        pytest.skip("no mkdocs-material")
    command = ["mkdocs", "build", "--strict", "-f", staged / "docs/mkdocs.yml"]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING  -" not in done.stderr
    return staged / "site"


@pytest.mark.slow
def test_site(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)  # and those of the reference
    loaded = r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(?:https?:)?//"
    for page in pages:
        # Nothing is loaded from the network. A link for people to follow is no load.
        assert not re.search(loaded, page.read_text()), page


WIDE = """
    const scrolls = (node) => node.closest(".md-content") !== node
        && (getComputedStyle(node).overflowX === "auto" || scrolls(node.parentElement));
    return [...document.querySelectorAll(".md-content pre, .md-content table")]
        .filter((node) => node.getBoundingClientRect().right > innerWidth)
        .filter((node) => !scrolls(node)).length;"""
BODY = "return [document.documentElement.scrollWidth <= innerWidth, innerWidth]"
CUT = """
    return [...document.querySelectorAll("pre > code:not(.language-text)")]
        .filter((node) => node.scrollWidth > node.clientWidth).length;"""


@pytest.mark.slow
def test_nothing_is_wider_than_the_page(site):
    """At the width of a phone and of a desktop; commands are read without scrolling."""
    names = ("your_own_model", "devices", "results", "commands/encrl")
    with served(site) as (address, _), chromium() as tab:
        tab.resize(390, 850)
        tab.open(f"{address}docs/results.html")
        assert tab.cut_edge(".md-typeset__scrollwrap") == (True, False)
        for width in (390, 1280):
            tab.resize(width, 850)
            for name in names:
                tab.open(f"{address}docs/{name}.html")
                assert tab.run("return document.querySelectorAll('pre, table').length")
                assert tab.run(BODY) == [True, width], name
                assert tab.run(WIDE) == tab.run(CUT) == 0, (name, width)


def refused_messages():
    """The messages of the table in docs/your_own_model.md."""
    page = (ROOT / "docs/your_own_model.md").read_text()
    table = page.partition("## If something is refused")[2]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_quoted_messages_are_those_of_the_program():
    """Words between the values of a message are in one string of the package."""
    strings = []
    for path in (ROOT / "espnet_plugin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if is_text(v) else "\0" for v in node.values)
                strings.append("".join(parts))
            elif is_text(node):
                strings.append(node.value)
    messages = refused_messages()
    assert len(messages) >= 5
    for message in messages:
        words = re.split(r"\s*(?:\.\.\.|\b\d+\b|exp/\S+)\s*", message)
        said = [re.escape(part) for part in words if part]
        # Values, and the parts of a word in the plural, stand between them.
        pattern = re.compile(r"[^\n]*?\0?".join(said), re.DOTALL)
        assert any(pattern.search(text) for text in strings), message


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
