"""A training that does not learn is noticed, and only such a one."""

import logging

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.plateau import PlateauWatch, stands_still


def falling(start, end, steps=400):
    return [start + (end - start) * i / (steps - 1) for i in range(steps)]


@pytest.mark.parametrize(
    "losses, error, expected",
    [
        (falling(55.0, 55.0), 1.0, True),
        (falling(55.0, 57.0), 1.0, True),
        (falling(55.0, 40.0), 1.0, False),  # learns, though nothing is right yet
        (
            falling(55.0, 55.0),
            0.5,
            False,
        ),  # half is right: stands still for good reason
        (falling(55.0, 55.0), None, False),  # no transcripts on dev
        (falling(55.0, 55.0), float("nan"), False),
        ([], 1.0, False),
    ],
)
def test_what_stands_still(losses, error, expected):
    assert stands_still(losses, error) is expected


def run(watch, epochs):
    for number, (losses, error) in enumerate(epochs, start=1):
        watch.add(losses)
        watch.judge(number, error)


FLAT = (falling(55.0, 55.0), 1.0)
LEARNS = (falling(55.0, 30.0), 0.95)


def test_two_such_epochs_in_a_row_end_it_once_500_updates_are_made(caplog):
    # The first epoch of 400 updates is too early to count.
    run(PlateauWatch(), [FLAT, FLAT])
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    with pytest.raises(UserError) as error:
        run(PlateauWatch(), [FLAT, FLAT, FLAT])
    for fact in ("epoch 3", "1200 updates", "100 %", "55", "--on_plateau warn"):
        assert fact in str(error.value)


def test_an_epoch_that_learns_in_between_starts_the_count_anew():
    run(PlateauWatch(), [FLAT, FLAT, LEARNS, FLAT, LEARNS, FLAT])


@pytest.mark.parametrize("action, warnings", [("warn", 4), ("off", 0)])
def test_other_actions_never_end_it(action, warnings, caplog):
    run(PlateauWatch(action), [FLAT] * 5)
    assert len(caplog.records) == warnings


def test_an_unknown_action():
    with pytest.raises(UserError, match="never"):
        PlateauWatch("never")
