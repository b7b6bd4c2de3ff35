"""The tables' figures, recomputed by hand from results.json."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.evaluate.table import (
    comparison_table,
    family_table,
    insert_block,
    main_table,
    markdown_block,
    missing_notes,
    write_markdown,
)


def make_row(method, layers, seed, wer, errors, shared=None, variant="", **more):
    return {
        "method": method,
        "variant": variant,
        "layers": layers,
        "seed": seed,
        "params": 1_234_567,
        "test_wer": wer,
        "test_words": 200,
        "wer_ci95": [wer - 1, wer + 1],
        "test_cer": wer / 2,
        "dev_wer": wer + 3,
        "train_seconds": 600.0,
        "audio_seconds": 7200.0,
        "train_flops": 1e15,
        "teacher_flops": 0.0,
        "epochs": 10,
        "encoder_rtf": 0.0123,
        "shared": shared,
        "test_errors_by_unit": errors,
        "test_words_by_unit": "100 50 50",
        **more,
    }


@pytest.fixture
def results():
    run = {
        "serves": [6, 4],
        "train_seconds": 1200.0,
        "audio_seconds": 3600.0,
        "train_flops": 2e15,
        "teacher_flops": 1e15,
        "epochs": 3,
    }
    return {
        "corpus": "mini",
        "rows": [
            make_row("reference", 12, 1, 5.0, "5 2 3", train_flops=9e15),
            make_row("encrl", 6, 1, 6.0, "6 3 3", "encrl_1"),
            make_row("encrl", 6, 2, 8.0, "8 4 4", "encrl_2"),
            make_row("encrl", 4, 1, 10.0, "10 5 5", "encrl_1"),
            make_row("encrl", 4, 2, 10.0, "10 5 5", "encrl_2"),
            make_row("scratch", 6, 1, 30.0, "30 15 15", train_flops=4e15),
            make_row("scratch", 4, 1, 40.0, "40 20 20", train_flops=3e15),
        ],
        "shared": [
            {"name": "encrl_1", "seed": 1, **run},
            {"name": "encrl_2", "seed": 2, **run},
        ],
    }


def cells(table):
    """Cells by column name, one dictionary a line."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
    ]
    return [dict(zip(lines[0], line)) for line in lines[2:]]


def test_main_table(results):
    table = cells(main_table(results))
    assert [(c["method"], c["layers"]) for c in table] == [
        ("reference", "12"),
        ("encrl", "6"),
        ("encrl", "4"),
        ("scratch", "6"),
        ("scratch", "4"),
    ]
    reference, six = table[0], table[1]
    assert reference["test WER % [95 %]"] == "5.0 [4.0, 6.0]"
    assert reference["seeds (WER range)"] == "1"
    assert reference["PFLOP (teacher)"] == "9.00 (0 %)"
    assert reference["training min"] == "10.0"
    # Every utterance has the same rate, 7 %, so the pooled interval has no width.
    assert six["test WER % [95 %]"] == "7.0 [7.0, 7.0]"
    assert six["seeds (WER range)"] == "2 (6.0 to 8.0)"
    assert six["params (M)"] == "1.23"
    assert six["test CER %"] == "3.5"
    assert six["dev WER %"] == "10.0"
    assert six["training min"] == "10.0 + 20.0 = 30.0"
    assert six["audio-hours"] == "2.00 + 1.00 = 3.00"
    # 1 of its own, 2 + 1 (teacher) of the shared run: 4, a quarter the teacher's.
    assert six["PFLOP (teacher)"] == "1.00 + 3.00 = 4.00 (25 %)"
    assert six["encoder RTF"] == "0.0123"


def test_family_table_counts_the_shared_run_once(results):
    encrl, scratch = cells(family_table(results))
    assert encrl["layers"] == "6+4" and encrl["sets"] == "2"
    assert encrl["training min"] == "20.0 + 20.0 = 40.0"
    assert encrl["PFLOP (teacher)"] == "2.00 + 3.00 = 5.00 (20 %)"
    assert encrl["scratch / this"] == "1.40"
    assert scratch["PFLOP (teacher)"] == "7.00 (0 %)"
    assert scratch["scratch / this"] == "1.00"


def test_an_incomplete_family_is_not_counted(results):
    results["rows"] = [r for r in results["rows"] if (r["layers"], r["seed"]) != (4, 2)]
    assert cells(family_table(results))[0]["sets"] == "1"
    results["rows"] = [r for r in results["rows"] if r["layers"] != 4]
    assert family_table(results) == ""


def test_comparison_with_scratch(results):
    six, four = cells(comparison_table(results))
    assert six["points [95 %]"] == "-23.0 [-23.0, -23.0]"
    assert six["against scratch"] == "better at 200 words"
    assert four["points [95 %]"] == "-30.0 [-30.0, -30.0]"


def test_unknown_figures_are_question_marks_not_numbers(results):
    for key in ("test_wer", "wer_ci95", "test_cer", "encoder_rtf", "params"):
        results["rows"][0][key] = None
    results["rows"][1]["test_wer"] = None
    results["rows"][1]["wer_ci95"] = None
    results["shared"][1]["teacher_flops"] = None
    results["rows"][0]["missing"] = ["rtf.json"]
    reference, six = cells(main_table(results))[:2]
    assert reference["test WER % [95 %]"] == "?"
    assert reference["seeds (WER range)"] == "0 of 1"
    assert reference["params (M)"] == reference["encoder RTF"] == "?"
    assert six["seeds (WER range)"] == "1 of 2"
    assert six["test WER % [95 %]"] == "8.0 [7.0, 9.0]"
    assert six["PFLOP (teacher)"] == "1.00 + ? = ?"
    assert missing_notes(results) == "* reference  12 layers, seed 1: rtf.json"


def test_rows_with_only_the_agreed_keys_are_enough(results):
    for row in results["rows"]:
        del row["test_errors_by_unit"], row["test_words_by_unit"]
    six = cells(main_table(results))[1]
    # Without errors by utterance there is no interval of the mean of two seeds.
    assert six["test WER % [95 %]"] == "7.0"
    assert comparison_table(results) == ""


def test_block_has_every_part_and_the_plots(results):
    block = markdown_block(results, [("size", "plots/a.png")])
    for part in (main_table(results), family_table(results), comparison_table(results)):
        assert part in block
    assert "![size](plots/a.png)" in block
    assert "200 words" in block
    assert "Not there yet" not in block


def test_empty_results_are_refused():
    with pytest.raises(UserError, match="no row yet"):
        main_table({"corpus": "mini", "rows": [], "shared": []})


def test_block_replaces_only_what_stands_between_the_marks(tmp_path):
    text = "before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n"
    new = insert_block(text, "NEW")
    assert new == (
        "before\n<!-- results:begin -->\n\nNEW\n\n<!-- results:end -->\nafter\n"
    )
    assert insert_block(new, "NEW") == new
    file = tmp_path / "README.md"
    file.write_text("my own words\n")
    with pytest.raises(UserError, match="README.md needs one line"):
        write_markdown(file, "NEW")
    assert file.read_text() == "my own words\n"
    with pytest.raises(UserError, match="swap them"):
        insert_block("<!-- results:end --><!-- results:begin -->", "NEW")
    write_markdown(tmp_path / "new.md", "NEW")
    assert "\nNEW\n" in (tmp_path / "new.md").read_text()
