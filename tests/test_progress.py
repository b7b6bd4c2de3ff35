"""Progress with the time left, by a clock of our own."""

import logging

import pytest

from espnet_plugin.progress import progress


class Clock:
    """Moves only when work is done."""

    now = 100.0

    def __call__(self):
        return self.now


def run(seconds_each, count, caplog, **options):
    caplog.set_level(logging.INFO)
    clock = Clock()
    seen = []
    for item in progress(range(count), count, "utterances", clock=clock, **options):
        seen.append(item)
        clock.now += seconds_each
    assert seen == list(range(count))
    return [record.getMessage() for record in caplog.records]


def test_a_short_job_prints_its_last_line_only(caplog):
    assert run(0.5, 8, caplog) == ["8 utterances in 4 s"]


def test_tells_the_time_left(caplog):
    assert run(10.0, 4, caplog) == [
        "1 of 4 utterances, 30 s left",
        "2 of 4 utterances, 20 s left",
        "3 of 4 utterances, 10 s left",
        "4 utterances in 40 s",
    ]


def test_is_not_said_more_often_than_asked(caplog):
    lines = run(1.0, 25, caplog, every_s=10.0)
    assert lines == [
        "10 of 25 utterances, 15 s left",
        "20 of 25 utterances, 5 s left",
        "25 utterances in 25 s",
    ]


@pytest.mark.parametrize(
    "seconds, text", [(89, "89 s"), (600, "10 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_units(seconds, text, caplog):
    assert run(seconds, 1, caplog) == [f"1 utterances in {text}"]


def test_nothing_to_do(caplog):
    assert run(1.0, 0, caplog) == ["0 utterances in 0 s"]


def test_ones_own_logger(caplog):
    caplog.set_level(logging.INFO)
    list(progress([1], 1, "files", logger=logging.getLogger("mine")))
    assert caplog.records[-1].name == "mine"
