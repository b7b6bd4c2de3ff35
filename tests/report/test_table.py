"""The tables' figures, recomputed by hand from results.json."""

from pathlib import Path

import pytest
from result_folders import compared, make_results
from result_folders import read_results as read

from espnet_plugin.errors import UserError
from espnet_plugin.report.comparison_table import comparison_table, missing_notes
from espnet_plugin.report.markdown import (
    insert_block,
    markdown_block,
    write_markdown,
)
from espnet_plugin.report.published import PUBLISHED_HEADING
from espnet_plugin.report.tables import cost_table, family_table, quality_table
from espnet_plugin.results.pairs import compare_all


def make_row(method, layers, seed, wer, errors, shared=None, variant="", **more):
    return {
        "method": method,
        "variant": variant,
        "layers": layers,
        "seed": seed,
        "params": layers * 205_761,
        "test_wer": wer,
        "test_words": 200,
        "wer_ci95": [wer - 1, wer + 1],
        "test_cer": wer / 2,
        "cer_ci95": [wer / 2 - 1, wer / 2 + 1],
        "dev_wer": wer + 3,
        "dev_wer_ci95": [wer + 2, wer + 4],
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
    """Cells by column name, one dictionary a line, as they stand in markdown."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.markdown().splitlines()
    ]
    return [dict(zip(lines[0], line)) for line in lines[2:]]


def test_what_is_scored_on_dev_is_not_called_test(results):
    as_test = quality_table(read(results))
    results["on_dev"] = True
    table = quality_table(read(results))
    assert "test" not in " ".join(table.header) + table.notes
    assert table.header.count("dev WER % [95 %]") == 1 and "(dev: 200 words)" in (
        table.notes.replace("\n", " ")
    )
    # Nothing but the name and the column that says the same once more.
    assert [line[:-1] for line in as_test.lines] == table.lines
    block = markdown_block(compared(read(results)))
    assert "bootstrap on the dev set" in block.replace("\n", " ")


def test_quality_and_cost(results):
    quality, cost = cells(quality_table(read(results))), cells(
        cost_table(read(results))
    )
    names = [
        ("reference", "12"),
        ("encrl", "6"),
        ("encrl", "4"),
        ("scratch", "6"),
        ("scratch", "4"),
    ]
    for table in (quality, cost):
        assert [(c["method"], c["layers"]) for c in table] == names
    reference, six = quality[:2]
    assert reference["test WER % [95 %]"] == "5.0 [4.0, 6.0]"
    assert reference["test CER % [95 %]"] == "2.5 [1.5, 3.5]"
    assert reference["seeds (range)"] == "1"
    # Every utterance has the same rate, 7 %, so the pooled interval has no width.
    assert six["test WER % [95 %]"] == "7.0 [7.0, 7.0]"
    assert six["seeds (range)"] == "2 (6.0 to 8.0)"
    assert six["params (M)"] == "1.23"
    # Of two seeds without characters by utterance there is no interval of the mean.
    assert six["test CER % [95 %]"] == "3.5"
    assert reference["dev WER % [95 %]"] == "8.0 [7.0, 9.0]"
    assert six["dev WER % [95 %]"] == "10.0"
    # What no row has is no column.
    assert not {"non-zero (M)", "file (MB)", "[by speaker]"} & set(six)
    assert "processor min" not in cost[0]
    reference, six = cost[:2]
    assert reference["PFLOP (teacher)"] == "9.00 (0 %)"
    assert reference["training min"] == "10.0"
    assert six["training min"] == "10.0 + 20.0 = 30.0"
    assert six["audio-hours"] == "2.00 + 1.00 = 3.00"
    # 1 of its own, 2 + 1 (teacher) of the shared run: 4, a quarter the teacher's.
    assert six["PFLOP (teacher)"] == "1.00 + 3.00 = 4.00 (25 %)"
    assert six["encoder RTF (load)"] == "0.0123"


def test_tables_fit_a_terminal(results):
    for row in results["rows"]:
        row.update(MEASURED, cpu_seconds=600.0)
    for entry in results["shared"]:
        entry["cpu_seconds"] = 1200.0
    for table in (quality_table(read(results)), cost_table(read(results))):
        assert max(map(len, table.markdown().splitlines())) <= 170


MEASURED = {
    "params_nonzero": 1_200_000,
    "file_bytes": 5_000_000,
    "macs_per_audio_second": 123e6,
    "peak_memory_mb": 45.6,
    "rtf_load": 1.25,
    "wer_ci95_speakers": [3.0, 12.0],
}


def test_what_speed_measures_is_shown(results):
    results["rows"][0].update(MEASURED, params_nonzero=12 * 205_761)
    reference, six = cells(quality_table(read(results)))[:2]
    assert reference["non-zero (M)"] == "2.47" and six["non-zero (M)"] == "?"
    assert reference["file (MB)"] == "5.00"
    assert reference["[by speaker]"] == "[3.0, 12.0]"
    reference = cells(cost_table(read(results)))[0]
    assert reference["encoder RTF (load)"] == "0.0123 (1.2)"
    assert reference["GMAC/s"] == "0.12" and reference["memory (MB)"] == "46"


@pytest.mark.parametrize(
    "load, cores, busy",
    [
        (0.4, 2, False),
        (2.0, 2, False),  # this process and another one, a core each
        (2.3, 2, True),
        (5.3, 16, False),
        # Files of earlier versions do not say how many cores there were.
        (1.9, None, False),
        (2.3, None, True),
        (None, 2, False),
    ],
)
def test_speed_measured_on_a_busy_machine_is_marked(results, load, cores, busy):
    results["rows"][0].update(rtf_load=load, rtf_threads=1)
    if cores is not None:
        results["rows"][0]["rtf_cores"] = cores
    table = cost_table(read(results))
    assert "busy" not in table.notes
    assert ("busy machine" in table.caution) == busy
    assert ("the speed (RTF) of reference" in table.caution) == busy
    assert "all models" not in table.caution
    for row in results["rows"]:
        row.update(rtf_load=99.0, encoder_rtf=0.01)
    assert "(RTF) of all models" in cost_table(read(results)).caution


def test_sizes_that_keep_all_layers_are_lines_of_their_own(results):
    results["rows"] += [
        make_row("width", 12, 1, 9.0, "9 4 5", size=size, params=size * 205_000)
        for size in (6, 4)
    ]
    quality = quality_table(read(results))
    assert [c["layers"] for c in cells(quality)][-2:] == ["12 as 6", "12 as 4"]
    assert "12 as 6 layers: all layers are kept" in quality.notes
    assert cells(family_table(read(results)))[-1]["layers"] == "6+4"


def test_a_width_stands_beside_the_layers(results):
    results["rows"] += [
        make_row("scratch", 4, 1, 9.0, "9 4 5", width=72, params=300_000),
        make_row("scratch", 4, 2, 9.0, "9 4 5", width=72, params=300_000),
    ]
    quality = quality_table(read(results))
    lines = [c for c in cells(quality) if c["method"] == "scratch"]
    wide = next(line for line in lines if line["layers"] == "4x72")
    assert wide["params (M)"] == "0.30"
    assert len([line for line in lines if line["layers"] == "4x72"]) == 1
    assert "4x72: number of layers x width" in quality.notes


def test_pruning_without_structure_is_marked(results):
    results["rows"][0].update(params_nonzero=12 * 205_761, encoder_rtf=0.0119)
    pruned = make_row("magnitude", 12, 1, 9.0, "9 4 5", params_nonzero=1_000_000)
    results["rows"].append(pruned)
    table = quality_table(read(results))
    assert [c["non-zero (M)"][-1] for c in cells(table)] == [*"7????", "†"]
    assert table.notes.endswith(
        "† zeros: smaller once compressed or stored sparsely, same speed: "
        "magnitude 12 (RTF 0.0123, reference 0.0119)."
    )


def test_dev_interval_of_several_seeds_is_pooled(results):
    for row in results["rows"]:
        row.update(dev_errors_by_unit="1 2 3", dev_words_by_unit="10 20 30")
    six = cells(quality_table(read(results)))[1]
    # Every utterance has the same rate, 10 %, so the interval has no width.
    assert six["dev WER % [95 %]"] == "10.0 [10.0, 10.0]"


def test_processor_time_stands_beside_the_wall_clock(results):
    for row in results["rows"]:
        row["cpu_seconds"] = 300.0
    results["rows"][5]["cpu_seconds"] = None
    for entry in results["shared"]:
        entry["cpu_seconds"] = 60.0
    table = cost_table(read(results))
    column = [line["processor min"] for line in cells(table)]
    assert column == [
        *("5.00", "5.00 + 1.00 = 6.00", "5.00 + 1.00 = 6.00"),
        "?",
        "5.00",
    ]
    encrl, scratch = cells(family_table(read(results)))
    assert encrl["processor min"] == "10.0 + 1.00 = 11.0"
    assert scratch["processor min"] == "?"
    assert "teacher's cache" not in table.notes
    results["shared"][1]["cpu_without_cache"] = True
    assert "pass that filled the teacher's cache is not included" in (
        cost_table(read(results)).notes
    )
    assert "(encrl_2)" in cost_table(read(results)).notes


def test_long_trainings_are_written_in_hours(results):
    results["rows"][0]["train_seconds"] = 11 * 3600.0
    lines = cells(cost_table(read(results)))
    assert lines[0]["training h"] == "11.0"
    assert lines[1]["training h"] == "0.17 + 0.33 = 0.50"
    assert cells(family_table(read(results)))[0]["training min"] == "20.0 + 20.0 = 40.0"


def test_what_an_earlier_file_said_is_marked_everywhere(results):
    for table in (quality_table, cost_table, family_table):
        made = table(read(results))
        assert "‡" not in made.markdown() + made.notes
    old = results["rows"][2]
    old.update(kept=True, dir="asr_old")
    results["shared"][0]["kept"] = True
    quality = quality_table(read(results))
    layers = [line["layers"] for line in cells(quality)]
    # One seed of six layers is old, and the training that both sizes share.
    assert layers == ["12", "6 ‡", "4 ‡", "6", "4"]
    assert ": asr_old, encrl_1; in encrl 6, encrl 4 they are mixed" in quality.notes
    assert [line["layers"] for line in cells(cost_table(read(results)))] == layers
    family = family_table(read(results))
    assert [line["layers"] for line in cells(family)] == ["6+4 ‡", "6+4"]
    assert "; in encrl they are mixed" in family.notes
    comparison = comparison_table(compared(read(results)))
    assert cells(comparison)[0]["model"] == "encrl 6 ‡"
    assert "encrl_1" in comparison.notes
    # The name is found as it stands in the table.
    assert compare_all(read(results), [("scratch 6", "encrl 6 ‡")])


def test_family_table_counts_the_shared_run_once(results):
    encrl, scratch = cells(family_table(read(results)))
    assert encrl["layers"] == "6+4" and encrl["sets"] == "2"
    assert encrl["training min"] == "20.0 + 20.0 = 40.0"
    assert encrl["PFLOP (teacher)"] == "2.00 + 3.00 = 5.00 (20 %)"
    assert encrl["scratch / this"] == "1.40"
    assert scratch["PFLOP (teacher)"] == "7.00 (0 %)"
    assert scratch["scratch / this"] == "1.00"


def test_an_incomplete_family_is_not_counted(results):
    results["rows"] = [r for r in results["rows"] if (r["layers"], r["seed"]) != (4, 2)]
    assert cells(family_table(read(results)))[0]["sets"] == "1"
    results["rows"] = [r for r in results["rows"] if r["layers"] != 4]
    assert family_table(read(results)) is None


def test_comparison_with_scratch(results):
    six, four, *more = cells(comparison_table(compared(read(results))))
    assert [line["against"] for line in more] == ["reference 12"] * 2
    assert (six["model"], six["against"]) == ("encrl 6", "scratch 6")
    assert six["points [95 %]"] == "-23.0 [-23.0, -23.0]"
    assert six["in words"] == "23.0 to 23.0 points fewer errors at 200 words"
    assert four["points [95 %]"] == "-30.0 [-30.0, -30.0]"


def test_unknown_figures_are_question_marks_not_numbers(results):
    unknown = ("test_wer", "wer_ci95", "test_cer", "cer_ci95", "encoder_rtf", "params")
    results["rows"][0].update(dict.fromkeys(unknown))
    results["rows"][1]["test_wer"] = None
    results["rows"][1]["wer_ci95"] = None
    results["shared"][1]["teacher_flops"] = None
    results["rows"][0]["missing"] = ["rtf.json"]
    reference, six = cells(quality_table(read(results)))[:2]
    assert reference["test WER % [95 %]"] == "?"
    assert reference["seeds (range)"] == "0 of 1"
    assert reference["params (M)"] == "?"
    assert six["seeds (range)"] == "1 of 2"
    assert six["test WER % [95 %]"] == "8.0 [7.0, 9.0]"
    reference, six = cells(cost_table(read(results)))[:2]
    assert reference["encoder RTF (load)"] == "?"
    assert six["PFLOP (teacher)"] == "1.00 + ? = ?"
    assert missing_notes(read(results)) == ["reference  12 layers, seed 1: rtf.json"]
    results["rows"][0]["dir"] = "a"
    results["rows"][1].update(dir="b", missing=["rtf.json"])
    assert missing_notes(read(results)) == ["a, b: rtf.json"]


def test_rows_with_only_the_agreed_keys_are_enough(results):
    for row in results["rows"]:
        del row["test_errors_by_unit"], row["test_words_by_unit"]
    six = cells(quality_table(read(results)))[1]
    # Without errors by utterance there is no interval of the mean of two seeds.
    assert six["test WER % [95 %]"] == "7.0"
    assert compare_all(read(results)) == ()
    assert comparison_table(compared(read(results))) is None


def test_block_has_every_part_and_the_plots(results):
    results = compared(read(results))
    block = markdown_block(results, [Path("x/plots/a.png")], "x")
    for table in (quality_table, cost_table, family_table, comparison_table):
        assert table(results).markdown() in block
    for one in results.comparisons:
        assert f"* {one.sentence}.\n" in block
    measured, published = block.split(f"### {PUBLISHED_HEADING}")
    assert "10.21437/Interspeech.2025-1704" in published and "15.57" in published
    assert "15.57" not in measured
    assert "![a](plots/a.png)" in block
    assert "200 words" in block
    assert "Not there yet" not in block


def test_published_figures_stand_beside_encrl_alone(results):
    results["rows"] = [
        r for r in results["rows"] if not r["method"].startswith("encrl")
    ]
    block = markdown_block(read(results))
    assert "#### Quality" in block and PUBLISHED_HEADING not in block


def test_empty_results_are_refused():
    with pytest.raises(UserError, match="has no rows"):
        quality_table(make_results([]))


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
    with pytest.raises(UserError, match="swap the two lines"):
        insert_block("<!-- results:end --><!-- results:begin -->", "NEW")
    for name in ("new.md", "emptied.md"):
        if name == "emptied.md":  # by a power cut
            (tmp_path / name).touch()
        write_markdown(tmp_path / name, "NEW")
        assert "\nNEW\n" in (tmp_path / name).read_text()
