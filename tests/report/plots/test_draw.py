"""Plots exist, show something, and refuse what cannot be drawn."""

import re

import matplotlib.image
import numpy as np
import pytest
from result_folders import make_results

from espnet_plugin.errors import UserError
from espnet_plugin.report.plots import draw as plots
from espnet_plugin.report.plots.curves import plot_curves
from espnet_plugin.report.plots.draw import plot_results
from espnet_plugin.report.plots.labels import Label, place_labels
from espnet_plugin.report.plots.series import series_of
from espnet_plugin.report.plots.style import plt


def make_row(method, layers, wer, variant="", **more):
    return {
        "method": method,
        "variant": variant,
        "layers": layers,
        "seed": 1,
        "params": layers * 200_000,
        "test_wer": wer,
        "wer_ci95": [0.8 * wer, 1.2 * wer],
        "train_seconds": 60.0 * layers,
        "audio_seconds": 3600.0,
        "train_flops": 1e14 * layers,
        "teacher_flops": 0.0,
        "epochs": 3,
        "encoder_rtf": 0.002 * layers,
        **more,
    }


def colours_in(file):
    """The distinct colours of a picture, as 24-bit numbers."""
    pixels = (matplotlib.image.imread(file)[..., :3] * 255).round().astype(int)
    return set(np.unique(pixels.reshape(-1, 3) @ [65536, 256, 1]).tolist())


def test_both_plots_in_both_forms_with_each_methods_colour(tmp_path):
    rows = [make_row("reference", 12, 8.0)]
    rows += [make_row("encrl", n, 20.0 - n) for n in (6, 4, 2)]
    rows += [make_row("scratch", n, 25.0 - n) for n in (6, 4, 2)]
    written = plot_results(make_results(rows), tmp_path / "plots")
    assert [path.name for path in written] == [
        "wer_params.png",
        "wer_cost.png",
        "wer_family_cost.png",
        "wer_rtf.png",
    ]
    for path in written:
        assert {0x000000, 0x0072B2, 0xD55E00} <= colours_in(path)
        drawing = path.with_suffix(".svg").read_text()
        assert drawing.count("#0072b2") > 5


def test_a_single_row_is_drawn(tmp_path):
    for path in plot_results(make_results([make_row("encrl", 6, 9.0)]), tmp_path):
        assert 0x0072B2 in colours_in(path)


def test_rows_of_the_same_size_and_cost_are_drawn(tmp_path):
    rows = [make_row("encrl", 6, 9.0 + i, variant=f"v{i}") for i in range(6)]
    assert len(plot_results(make_results(rows), tmp_path)) == 3


def test_no_errors_and_all_errors_are_drawn(tmp_path):
    rows = [make_row("encrl", 6, 0.0), make_row("scratch", 6, 0.0)]
    assert len(plot_results(make_results(rows), tmp_path)) == 3
    rows = [make_row("encrl", n, 10.0) for n in (2, 4, 6)]
    rows.append(make_row("untrained", 6, 100.0))
    assert len(plot_results(make_results(rows), tmp_path)) == 4


def texts_in(file):
    """What matplotlib writes in an SVG beside each text, in order."""
    return re.findall(r"<!-- (.*?) -->", file.with_suffix(".svg").read_text())


def test_what_is_no_rival_has_a_panel_of_its_own_in_a_second_picture(tmp_path):
    rows = [make_row("reference", 12, 8.0)]
    rows += [make_row("encrl", n, 20.0 - n) for n in (6, 4)]
    rows += [make_row(f"m{i}", n, 12.0 + i) for n in (6, 4) for i in range(7)]
    written = plot_results(make_results(rows), tmp_path / "rule")
    names = [path.stem for path in written]
    assert names[:2] == ["wer_params", "wer_params_others"]
    assert names == [one for name in names[::2] for one in (name, f"{name}_others")]
    main, others = (texts_in(tmp_path / "rule" / name) for name in names[:2])
    assert [name for name in main if "layers)" in name] == [
        *("reference (12 layers)", "encrl (6, 4 layers)"),
        *(f"m{i} (6, 4 layers)" for i in range(5)),
    ]
    caption = " ".join(main[main.index("all parameters (million)") :])
    assert "lowest mean error rate" in caption and "wer_params_others" in caption
    assert [text for text in others if "1\u00a0seed" in text] == [
        "m5, 1\u00a0seed",
        "m6, 1\u00a0seed",
    ]
    assert "In grey beside each: encrl (solid)." in others
    # Named ones instead of those that the rule chooses.
    plot_results(make_results(rows), tmp_path / "named", ["m6"])
    main = texts_in(tmp_path / "named/wer_params")
    assert "m6 (6, 4 layers)" in main and "m0 (6, 4 layers)" not in main


def test_pruned_sizes_are_one_line_and_have_a_panel_of_what_is_not_zero(tmp_path):
    rows = [make_row("encrl", n, 20.0 - n, params_nonzero=n * 200_000) for n in (6, 4)]
    plot_results(make_results(rows), tmp_path)
    assert "non-zero parameters (million)" not in texts_in(tmp_path / "wer_params")
    rows += [
        make_row("magnitude", 12, 20.0 - n, size=n, params_nonzero=n * 200_000)
        for n in (6, 4)
    ]
    rows += [
        make_row("magnitude", 12, 9.0, f"one-shot {share} %", params_nonzero=2e6)
        for share in (10, 5)
    ]
    plot_results(make_results(rows), tmp_path)
    texts = texts_in(tmp_path / "wer_params")
    assert texts.count("non-zero parameters (million)") == 1
    for name in (
        "encrl (6, 4 layers)",
        "magnitude (as 6, 4 layers)",
        "magnitude one-shot (5, 10 %)",
    ):
        assert texts.count(name) == 1
    marks = [
        [one.mark(group) for group in one.groups]
        for one in series_of(make_results(rows).groups)
    ]
    assert marks == [["6", "4"], ["6", "4"], ["5 %", "10 %"]]


def test_families_have_a_panel_a_size_at_the_cost_of_all_sizes(tmp_path, monkeypatch):
    drawn = {}

    def draw(stem, choice, title, panels, side_by_side=False, scored=None, caution=""):
        assert scored == "test"
        drawn[stem.name] = {
            panel.title: {
                g.method: panel.x_of(g) for g in choice.groups if panel.x_of(g)
            }
            for panel in panels
        }
        return stem

    monkeypatch.setattr(plots, "draw_scatter", draw)
    rows = [make_row("reference", 12, 8.0)]
    rows += [make_row("scratch", n, 20.0 - n) for n in (6, 4)]
    # Of other sizes: its cost is not that of the same models.
    rows += [make_row("width", n, 9.0) for n in (6, 5)]
    rows += [
        make_row("encrl", n, 20.0 - n, shared="run", train_flops=0.0) for n in (6, 4)
    ]
    run = {"name": "run", "serves": [6, 4], "train_seconds": 1.0, "audio_seconds": 1.0}
    run.update(train_flops=3e14, teacher_flops=1e14, epochs=1)
    plot_results(make_results(rows, [run]), tmp_path)
    of_all = pytest.approx({"scratch": 1.0, "encrl": 0.4})
    assert drawn["wer_family_cost"] == {"6 layers": of_all, "4 layers": of_all}


def test_cost_in_processor_hours_where_all_rows_say_it(tmp_path):
    rows = [make_row("encrl", n, 9.0, cpu_seconds=60.0) for n in (6, 4)]
    plot_results(make_results(rows), tmp_path)
    texts = texts_in(tmp_path / "wer_cost")
    assert "training (processor hours)" in texts
    assert "training (wall-clock hours)" not in texts
    plot_results(make_results([*rows, make_row("scratch", 6, 9.0)]), tmp_path)
    assert "training (wall-clock hours)" in texts_in(tmp_path / "wer_cost")


def test_a_long_label_at_the_edge_stays_in_its_panel():
    figure, panel = plt.subplots(figsize=(3, 3))
    panel.set(xlim=(0, 1), ylim=(0, 1))
    place_labels(panel, [Label(1.0, 0.5, "a long label", "black")], [(1.0, 0.5)])
    figure.draw_without_rendering()
    (text,) = panel.texts
    assert text.get_window_extent().x1 <= panel.get_window_extent().x1
    plt.close(figure)


def test_rows_without_costs_leave_out_the_cost_plot(tmp_path, caplog):
    unknown = {"train_seconds": None, "train_flops": None, "teacher_flops": None}
    rows = [make_row("reference", 12, 8.0, **unknown)]
    written = plot_results(make_results(rows), tmp_path)
    assert [path.name for path in written] == ["wer_params.png", "wer_rtf.png"]
    assert "wer_cost.png is not drawn" in caplog.text


@pytest.mark.parametrize("rows", [[], [make_row("encrl", 6, 9.0)]])
def test_nothing_to_draw_is_refused(tmp_path, rows):
    for row in rows:
        row.update(test_wer=None, wer_ci95=None)
    with pytest.raises(UserError, match="no row with a test score"):
        plot_results(make_results(rows), tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def curve(*values):
    return " ".join(str(value) for value in values)


def test_curves_have_a_panel_a_size(tmp_path):
    rows = [
        make_row(
            method,
            layers,
            9.0,
            curve_epochs=curve(1, 2, 3),
            dev_cer_by_epoch=curve(99.0, "nan", 20.0),
            dev_loss_by_epoch=curve(50.0, 30.0, 12.0),
        )
        for method in ("encrl", "scratch")
        for layers in (6, 4)
    ]
    rows.append(make_row("reference", 12, 9.0))  # has no curve, and no panel
    written = plot_curves(make_results(rows), tmp_path / "plots")
    assert written.name == "learning_curves.png"
    drawn = written.with_suffix(".svg").read_text()
    assert "stroke: #0072b2" in drawn and "stroke: #d55e00" in drawn


def test_without_a_curve_nothing_is_drawn(tmp_path, caplog):
    assert plot_curves(make_results([make_row("encrl", 6, 9.0)]), tmp_path) is None
    assert "no folder has a train.log" in caplog.text


def two_modes(variant, wer, sparsity, seeds=1):
    return [
        make_row(
            "dual_mode",
            4,
            wer + 4.0 * (mode == "streaming"),
            f"{variant} {mode}".strip(),
            seed=seed,
            mode=mode,
            params_nonzero=800_000 * (1 - sparsity * (mode == "streaming")),
            chunk_rtf=0.007 if mode == "streaming" else None,
            curve_epochs=curve(1, 2),
            dev_cer_by_epoch=curve(90.0, 30.0),
        )
        for mode in ("full", "streaming")
        for seed in range(1, seeds + 1)
    ]


def test_two_modes_have_a_panel_each_and_a_training_one_style(tmp_path):
    rows = two_modes("dense", 9.0, 0.0)
    for percent in (30, 50, 70):
        rows += two_modes(f"self-pruned {percent} %", 9.0, percent / 100, seeds=3)
    rows += two_modes("self-pruned 50 %, drawn", 9.0, 0.5)
    written = plot_results(make_results(rows), tmp_path)
    assert [path.stem for path in written] == ["wer_params", "wer_cost", "wer_rtf"]
    for path in written:
        texts = texts_in(path)
        assert {"streaming", "full context"} <= set(texts)
        # Once in the legend, for both panels, with what its means are worth.
        assert texts.count("dual_mode self-pruned (30, 50, 70 %), 3 seeds") == 1
        assert texts.count("dual_mode dense (4 layers), 1 seed") == 1
    lines = series_of(make_results(rows).groups)
    assert len(lines) == 6 and len({one.key for one in lines}) == 3
    curves = texts_in(plot_curves(make_results(rows), tmp_path))
    assert {"4 layers, streaming", "4 layers, full"} <= set(curves)
    assert curves.count("dual_mode self-pruned 50 %") == 1


def test_a_streaming_model_stands_at_what_is_left_of_it(tmp_path, monkeypatch):
    drawn = {}

    def draw(stem, choice, title, panels, side_by_side=False, scored=None, caution=""):
        for panel in panels:
            xs = [panel.x_of(group) for group in choice.groups if panel.x_of(group)]
            drawn[stem.name, panel.title] = xs
        return stem

    monkeypatch.setattr(plots, "draw_scatter", draw)
    plot_results(make_results(two_modes("self-pruned 50 %", 9.0, 0.5)), tmp_path)
    assert drawn == {
        ("wer_params", "streaming"): pytest.approx([0.4]),
        ("wer_params", "full context"): pytest.approx([0.8]),
        ("wer_cost", "streaming"): pytest.approx([0.4]),
        ("wer_cost", "full context"): pytest.approx([0.4]),
        ("wer_rtf", "streaming"): pytest.approx([0.007]),
        ("wer_rtf", "full context"): pytest.approx([0.008]),
    }


def test_seeds_are_not_said_where_all_have_the_same_number(tmp_path):
    plot_results(make_results([make_row("encrl", 6, 9.0)]), tmp_path)
    assert "encrl (6 layers)" in texts_in(tmp_path / "wer_params")
