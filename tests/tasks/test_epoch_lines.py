"""The lines on the terminal say what ESPnet's reporter says, and the time left."""

import logging

import pytest
import torch
from espnet2.train.reporter import Reporter

from espnet_plugin.tasks.epoch_lines import epoch_line, mean_of, with_progress


def validated(*batches):
    """Validate batches of pairs of values and weight; return ESPnet's reporter."""
    reporter = Reporter()
    reporter.set_epoch(1)
    with reporter.observe("valid") as observed:
        for values, weight in batches:
            observed.register({k: torch.tensor(v) for k, v in values.items()}, weight)
            observed.next()
        return reporter, dict(observed.stats)


def test_values_are_espnets_means():
    reporter, stats = validated(
        ({"loss": 2.0, "cer_ctc": 0.5}, torch.tensor(3.0)),
        ({"loss": 4.0, "cer_ctc": 0.1}, torch.tensor(1.0)),
    )
    for name in ("loss", "cer_ctc"):
        theirs = reporter.get_value("valid", name, 1)
        assert mean_of(stats, name) == pytest.approx(theirs, rel=1e-6)
    assert mean_of(stats, "nothing") is None
    assert epoch_line(1, 4, stats, [61.0]) == (
        "epoch 1 of 4: on dev character error rate 40.0 %, loss 2.5; 61 s, about "
        "3 min left"
    )


def test_a_value_that_is_not_finite_is_left_out():
    _, stats = validated(
        ({"loss": float("nan")}, torch.tensor(1.0)), ({"loss": 3.0}, torch.tensor(1.0))
    )
    assert mean_of(stats, "loss") == 3.0
    _, stats = validated(({"loss": float("nan")}, torch.tensor(1.0)))
    assert epoch_line(2, 2, stats, [5.0, 7.0]) == "epoch 2 of 2; 7 s"


@pytest.mark.parametrize(
    "values, line",
    [
        (
            {"cer_ctc_full": 0.05, "cer_ctc_streaming": 0.1, "cer": 0.075, "loss": 1.0},
            "character error rate with full context 5.0 %, character error rate "
            "streaming 10.0 %, loss 1",
        ),
        (
            {"cer_ctc": 0.05, "cer": 0.02, "loss": 1.0},
            "character error rate 5.0 %, character error rate of the attention decoder "
            "2.0 %, loss 1",
        ),
        ({"ppl": 12.345, "loss": 2.0}, "perplexity 12.35, loss 2"),
        ({"cer_interctc_layer2": 0.3, "loss": 2.0}, "loss 2"),
    ],
)
def test_each_kind_of_model_has_its_values(values, line):
    _, stats = validated((values, torch.tensor(1.0)))
    assert epoch_line(3, 3, stats, []) == f"epoch 3 of 3: on dev {line}"


def test_time_left_is_the_mean_epoch_times_the_epochs_left():
    line = epoch_line(2, 12, {}, [100.0, 140.0])
    assert line == "epoch 2 of 12; 2 min, about 20 min left"


class Clock:
    """Moves only when a batch is trained on."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    "total, lines",
    [
        (
            5,
            [
                "epoch 7: 2 of 5 batches, 3 min left",
                "epoch 7: 4 of 5 batches, 62 s left",
            ],
        ),
        (None, ["epoch 7: 2 batches", "epoch 7: 4 batches"]),
        (
            2,
            ["epoch 7: 3 batches", "epoch 7: 5 batches"],
        ),  # a wrong number is not shown
    ],
)
def test_a_long_epoch_tells_its_progress(caplog, total, lines):
    caplog.set_level(logging.INFO)
    clock = Clock()
    for _ in with_progress(range(5), total, 7, clock=clock):
        clock.now += 62.0
    assert [record.getMessage() for record in caplog.records] == lines


def test_a_short_epoch_is_silent(caplog):
    caplog.set_level(logging.INFO)
    assert list(with_progress("abc", 3, 1)) == ["a", "b", "c"]
    assert not caplog.records
