"""Chinese and its like: every sentence is a word, so systems are told apart by CER."""

import matplotlib.pyplot as plt
import pytest
from result_folders import make_results

from espnet_plugin.report.plots import scatter
from espnet_plugin.report.plots.draw import plot_results
from espnet_plugin.report.tables import quality_table
from espnet_plugin.results.json_format import read_row
from espnet_plugin.results.pairs import compare_all
from espnet_plugin.results.read_score import quality_of
from espnet_plugin.score.bootstrap import paired_bootstrap
from espnet_plugin.score.wer import score_texts

SAID = {f"u{n}": "今天天气很好我们出去玩吧" for n in range(40)}


def heard(wrong):
    """Transcripts with so many wrong characters each: all of them wrong words."""
    return {utt: "错" * wrong + text[wrong:] for utt, text in SAID.items()}


def row_of(method, layers, wrong):
    score = score_texts(SAID, heard(wrong), resamples=50).to_dict()
    quality, _ = quality_of(score, {})
    figures = {key: value for key, value in vars(quality).items() if value is not None}
    figures["test_set"] = "x"
    for key, value in figures.items():
        if isinstance(value, tuple) and "by_unit" in key:
            figures[key] = " ".join(f"{one:.0f}" for one in value)
    return {"method": method, "layers": layers, "seed": 1, "params": 9, **figures}


@pytest.fixture(scope="module")
def results():
    rows = [row_of("scratch", 6, 5), row_of("encrl", 6, 2)]
    return make_results(rows)


def test_the_score_says_so():
    assert score_texts(SAID, heard(1), resamples=9).to_dict()["error_unit"] == "char"
    spaced = score_texts({"u": "one two"}, {"u": "one"}, resamples=9).to_dict()
    assert "error_unit" not in spaced


def test_rows_are_compared_by_characters(results):
    good, bad = results.groups[1], results.groups[0]
    assert good.test_wer == bad.test_wer == 100.0 and good.by_character
    assert good.error_rate == pytest.approx(100 * 2 / 12)
    (comparison,) = compare_all(results)
    wanted = paired_bootstrap([5] * 40, [2] * 40, [12] * 40)
    assert comparison.result == wanted and wanted.difference == pytest.approx(-25.0)
    assert "at 480 characters" in comparison.sentence


def test_pictures_and_front_are_by_characters(results, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(scatter, "save_figure", lambda figure, _: drawn.append(figure))
    plot_results(results, tmp_path)
    figure = drawn[0]
    assert "character error rate" in figure.get_suptitle()
    (axes,) = figure.axes
    assert "CER" in axes.get_ylabel()
    heights = {round(y, 6) for line in axes.lines for y in line.get_ydata()}
    assert {41.666667, 16.666667} <= heights  # 5 and 2 of 12
    assert 100.0 not in heights
    plt.close("all")


def test_the_tables_say_so(results):
    assert "use CER" in quality_table(results).notes


def test_an_old_row_is_by_words():
    row = read_row({"method": "scratch", "layers": 6, "seed": 1, "test_wer": 5.0})
    assert row.quality.error_unit is None
