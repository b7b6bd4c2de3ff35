"""The time that is left: means of rows, side by side, and what is not known."""

from espnet_plugin.runs.outlook import time_left
from espnet_plugin.runs.plan import Job


def job(row, seed):
    return Job(f"{row}_s{seed}", row, seed, ())


def test_a_row_takes_what_its_finished_jobs_took_on_average():
    took = {"a_s1": 100.0, "a_s2": 300.0, "b_s1": 1000.0}
    rows = {"a_s1": "a", "a_s2": "a", "b_s1": "b"}
    todo = [job("a", 3), job("a", 4), job("b", 2)]
    left = time_left(todo, took, rows, side_by_side=2)
    assert left.seconds == (200 + 200 + 1000) / 2 and left.unknown == ()
    assert str(left) == "12 min left"


def test_unknown_rows_are_named_and_not_counted():
    left = time_left(
        [job("a", 2), job("c", 1), job("c", 2)], {"a_s1": 60.0}, {"a_s1": "a"}, 1
    )
    assert left.seconds == 60 and left.unknown == ("c",)
    assert str(left) == "60 s left, and c, whose duration is not known yet"
    assert "not known" in str(time_left([job("c", 1)], {}, {}, 1))
