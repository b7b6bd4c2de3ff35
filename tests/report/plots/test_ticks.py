"""Labels of ticks across: units that fit the values, and labels that do not overlap."""

import pytest
from result_folders import make_results

from espnet_plugin.report.plots.draw import plot_results
from espnet_plugin.report.plots.points import finish_panel, thin_ticks
from espnet_plugin.report.plots.style import plt
from espnet_plugin.report.units import OPERATIONS, TIMES, fitting_unit


@pytest.mark.parametrize(
    "values, name",
    [
        ([2.6e13, 1e12], "PFLOP"),
        ([9e12], "TFLOP"),
        ([None, 5e9, 1e6], "GFLOP"),
        ([2e8], "GFLOP"),
        ([3.0], "FLOP"),
        ([None], "PFLOP"),
        ([], "PFLOP"),
    ],
)
def test_the_unit_in_which_the_largest_value_can_be_read(values, name):
    assert fitting_unit(values, OPERATIONS).name == name


def test_a_value_in_its_unit():
    unit = fitting_unit([90.0], TIMES)
    assert (unit.name, unit.of(90.0), unit.of(0.0)) == ("hours", 0.025, None)
    assert fitting_unit([12.0], TIMES).of(12.0) == pytest.approx(0.2)


@pytest.mark.parametrize("width", [1.6, 4.0])
@pytest.mark.parametrize("spread", [1.5, 9.0, 90.0, 2000.0, 1e7])
@pytest.mark.parametrize("smallest", [1e-9, 2.3e-6, 0.004, 7.0, 61234.0])
def test_labels_do_not_overlap(width, spread, smallest):
    figure, panel = plt.subplots(figsize=(width, 2), layout="constrained")
    xs = [smallest, smallest * spread**0.5, smallest * spread]
    panel.plot(xs, [1, 2, 3])
    finish_panel(panel, xs)
    figure.draw_without_rendering()
    thin_ticks(figure, [panel])
    figure.draw_without_rendering()
    low, high = panel.get_xlim()
    labels = [
        label.get_window_extent()
        for tick, label in zip(panel.get_xticks(), panel.get_xticklabels())
        if low <= tick <= high
    ]
    plt.close(figure)
    labels.sort(key=lambda box: box.x0)
    assert labels
    for left, right in zip(labels, labels[1:]):
        assert left.x1 < right.x0


def test_costs_far_below_a_petaflop_and_the_caution_are_in_the_picture(tmp_path):
    rows = [
        {
            **{"method": "encrl", "seed": 1, "layers": n, "params": n},
            **{"test_wer": 9.0, "train_flops": 2e9 * n, "teacher_flops": 0.0},
            **{"train_seconds": 0.5 * n, "cpu_seconds": 0.5 * n},
            **{"encoder_rtf": 0.01, "rtf_load": 9.0, "rtf_cores": 2},
        }
        for n in (6, 4)
    ]
    plot_results(make_results(rows), tmp_path)
    cost = (tmp_path / "wer_cost.svg").read_text()
    for label in (
        "training, teacher included (TFLOP)",
        "training (processor minutes)",
    ):
        assert f"<!-- {label} -->" in cost
    assert "busy machine" not in cost
    speed = (tmp_path / "wer_rtf.svg").read_text()
    assert "<!-- Measured on a busy machine: the speed (RTF) of all models." in speed
