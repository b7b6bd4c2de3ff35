"""The committed figures, rebuilt: every value, cell and sentence is what it was."""

import json
from pathlib import Path

import pytest
from report_cells import Page, paragraphs, results_block
from result_folders import compared

from espnet_plugin.report.html import report_html
from espnet_plugin.report.markdown import markdown_block
from espnet_plugin.results.json_format import Entries, read_entries
from espnet_plugin.results.merge import merge

RECIPES = Path(__file__).parents[2] / "egs2"
# What was committed, and the tables of it that the code wrote otherwise when they were
# last drawn: these stand in golden/tables.json as the code of commit 1eb363a drew them.
GOLDEN = json.loads((Path(__file__).parent / "golden/tables.json").read_text())
COMMITTED = {
    "current": ("an4/encrl1", "results.json", "RESULTS.md"),
    "results": ("an4/encrl1/earlier", "results.json", "RESULTS.md"),
    "ablations": ("an4/encrl1/earlier", "ablations.json", "ABLATIONS.md"),
    "one_run": ("an4/encrl1/earlier", "one_run.json", "ONE_RUN.md"),
    "dualmode": ("an4/dualmode1", "results.json", "RESULTS.md"),
    "librispeech": ("librispeech_100/encrl1", "results.json", "RESULTS.md"),
}
# Of many rows: half a minute of bootstraps on a busy machine.
SLOW = ("current", "results", "dualmode")
AN4 = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
    for name in list(COMMITTED)[:5]
]


def committed_json(name):
    folder, figures, _ = COMMITTED[name]
    return json.loads((RECIPES / folder / figures).read_text())


@pytest.fixture(scope="module")
def rebuild():
    made = {}

    def build(name):
        if name not in made:
            old = committed_json(name)
            pairs = [(one["first"], one["second"]) for one in old["comparisons"]]
            results = merge(read_entries(old), Entries(), old["corpus"])
            made[name] = compared(results, *pairs)
        return made[name]

    return build


def without_later_metrics(new, old):
    """Leave out what is not known and had no key then: metrics that came later."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {
            key: without_later_metrics(value, old.get(key))
            for key, value in new.items()
            if value is not None or key in old
        }
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [without_later_metrics(*pair) for pair in zip(new, old)]
    return new


@pytest.mark.parametrize("name", AN4)
def test_results_json(rebuild, name):
    old, new = committed_json(name), rebuild(name).to_dict()
    for key in ("aggregates", "families"):
        new[key] = without_later_metrics(new[key], old[key])
    # Written since: where nothing is said, the test set was scored.
    old.setdefault("on_dev", False)
    for one in old["comparisons"]:
        one.setdefault("part", "")
    assert new == old
    assert json.dumps(new["rows"]) == json.dumps(old["rows"])  # in this order, too


def test_results_json_of_an_earlier_version(rebuild):
    old, new = committed_json("librispeech"), rebuild("librispeech").to_dict()
    assert new["shared"] == old["shared"] and new["test_sets"] == old["test_sets"]
    for before, now in zip(old["rows"], new["rows"], strict=True):
        # What that version did not know.
        assert now.pop("size") == now["layers"] and now.pop("dev_wer_ci95") is None
        assert now == before


@pytest.mark.parametrize("name", AN4)
def test_markdown(rebuild, name):
    folder, _, file = COMMITTED[name]
    home = RECIPES / folder
    old = paragraphs(results_block((home / file).read_text()))
    for title, table in GOLDEN.get(name, {}).items():
        old[old.index(f"#### {title}") + 1] = table
    pictures = [home / one[:-1].split("](")[1] for one in old if one[:2] == "!["]
    new = paragraphs(markdown_block(rebuild(name), pictures, home))
    if name != "current":  # What is new: the comparisons in sentences.
        sentences = (f"* {one.sentence}." for one in rebuild(name).comparisons)
        new.remove("\n".join(sentences))
    assert new == old


@pytest.mark.parametrize("name", AN4)
def test_page(rebuild, name):
    results = rebuild(name)
    tables = [p for p in paragraphs(markdown_block(results)) if isinstance(p, list)]
    page = Page(report_html(results))
    assert page.tables == tables
    assert page.points == [f"{one.sentence}." for one in results.comparisons]
