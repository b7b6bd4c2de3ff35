"""One list of sections makes both the markdown and the page."""

from report_cells import Page
from result_folders import compared, make_results

from espnet_plugin.report import sections
from espnet_plugin.report.html import report_html
from espnet_plugin.report.markdown import markdown_block
from espnet_plugin.report.table import Table
from espnet_plugin.results import comparison, group


def results():
    row = {"seed": 1, "test_wer": 5.0, "test_words_by_unit": "10 10 10 10"}
    rows = [
        {**row, "method": method, "layers": layers, "test_errors_by_unit": errors}
        for method, layers, errors in (
            *(("encrl", 6, "1 0 1 1"), ("encrl", 4, "2 1 1 1")),
            *(("scratch", 6, "3 3 4 4"), ("scratch", 4, "2 2 1 1")),
        )
    ]
    rows[0]["missing"] = ["rtf.json"]
    # Of two seeds the interval is drawn.
    rows.append({**rows[0], "seed": 2, "missing": []})
    return compared(make_results(rows))


def headings(block):
    return [
        line.lstrip("#").strip() for line in block.splitlines() if line.startswith("#")
    ]


def test_both_renderings_have_the_same_sections_in_the_same_order():
    page, block = Page(report_html(results())), markdown_block(results())
    # The picture to explore is the page's alone.
    assert page.headings[0] == "Compare models"
    shown = page.headings[1:]
    assert shown == [title for title in headings(block) if title in shown]
    assert shown[:4] == [
        *("Quality and size", "Cost", "The whole family", "Paired comparisons")
    ]
    assert shown[4:] == ["Not there yet", sections.PUBLISHED_HEADING]
    sentences = [f"{one.sentence}." for one in results().comparisons]
    assert sentences and page.points[: len(sentences)] == sentences
    assert all(f"* {sentence}" in block.splitlines() for sentence in sentences)
    assert "asr" not in page.points[-1] and page.points[-1].endswith(": rtf.json")
    assert f"* {page.points[-1]}" in block.splitlines()


def test_a_section_is_one_entry(monkeypatch):
    def build(results, pictures):
        table = Table(("a & b", "c"), [["1 < 2", "x|y"]], "*Both* notes.")
        return sections.Content(f"Text on {results.corpus}.", [table], ["a point"])

    entries = (("Extra", build), *sections.SECTIONS)
    monkeypatch.setattr(sections, "SECTIONS", entries)
    block, page = markdown_block(results()), report_html(results())
    assert block.startswith(
        "### mini\n\n#### Extra\n\nText on mini.\n\n"
        "| a & b | c    |\n|-------|------|\n| 1 < 2 | x\\|y |\n\n"
        "*Both* notes.\n\n* a point\n\n#### Quality and size\n\n| method"
    )
    assert "<p>Text on mini.</p>" in page and "<p>Both notes.</p>" in page
    assert "<th>a &amp; b</th>" in page and "<li>a point</li>" in page
    assert Page(page).tables[0] == [["a & b", "c"], ["1 < 2", "x|y"]]


def test_a_caution_stands_above_its_table(monkeypatch):
    def build(results, pictures):
        table = Table(("a", "b"), [["1", "2"]], "Notes.", caution="Read `this` first.")
        return sections.Content(tables=[table])

    monkeypatch.setattr(sections, "SECTIONS", (("Extra", build), *sections.SECTIONS))
    said = "#### Extra\n\n**Caution.** Read `this` first.\n\n| a | b |\n"
    assert said in markdown_block(results())
    page = report_html(results())
    above = '<p class="caution">Read this first.</p>\n<div class="wide"><table>'
    assert above in page and page.count('<p class="caution">') == 1


def test_nothing_is_drawn_again_for_a_rendering(monkeypatch):
    made = results()

    def refuse(*_):
        raise AssertionError("a bootstrap of what was computed already")

    monkeypatch.setattr(group, "bootstrap_interval", refuse)
    monkeypatch.setattr(comparison, "paired_bootstrap", refuse)
    assert "scratch" in markdown_block(made) and "scratch" in report_html(made)
    assert made.to_dict()["comparisons"]
