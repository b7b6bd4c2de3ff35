"""Two processes that share a job, with a task that only notes how it was called."""

import threading

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.jobs.rendezvous import (
    join_trainings,
    rendezvous_file,
    share_trainings,
)
from espnet_plugin.jobs.trainer import train_task

TASK = f"{__name__}:Noting"


class Noting:
    calls: list = []

    @classmethod
    def main(cls, cmd):
        cls.calls.append((threading.current_thread().name, cmd))
        if "--fail" in cmd:
            raise RuntimeError("broken")


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(Noting, "calls", [])
    return Noting.calls


def options(tmp_path, rank):
    where = f"file://{tmp_path}/.dist_init_x"
    return ["--fold", "x", "--dist_rank", rank, "--dist_init_method", where]


@pytest.fixture
def other(tmp_path):
    """Starts one; what it raises comes back."""
    errors = []

    def run():
        try:
            join_trainings(options(tmp_path, "1"), seconds=20)
        except UserError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run, name="other")
    return thread, errors


def test_each_training_is_joined_with_its_own_meeting(tmp_path, calls, other):
    thread, errors = other
    thread.start()
    ours = options(tmp_path, "0")
    with share_trainings(ours):
        for number in (1, 2):
            train_task(TASK, ["--number", str(number), *ours])
    thread.join(30)
    assert not thread.is_alive() and not errors
    for rank, name in enumerate((threading.current_thread().name, "other")):
        assert [cmd for who, cmd in calls if who == name] == [
            [
                *("--number", str(number), "--fold", "x"),
                *("--dist_rank", str(rank)),
                *("--dist_init_method", f"file://{tmp_path}/.dist_init_x.{number}"),
            ]
            for number in (1, 2)
        ]


def test_a_training_that_was_over_at_once_is_not_missed(tmp_path, calls, other):
    with share_trainings(options(tmp_path, "0")):
        train_task(TASK, ["--number", "1", *options(tmp_path, "0")])
    thread, errors = other
    thread.start()  # when all is announced, done and ended
    thread.join(30)
    assert not errors and [who for who, _ in calls].count("other") == 1


def test_a_first_process_that_fails_ends_the_others(tmp_path, calls, other):
    thread, errors = other
    with pytest.raises(ValueError):
        with share_trainings(options(tmp_path, "0")):
            raise ValueError("in between")
    thread.start()
    thread.join(30)
    assert (
        errors == ["the first process has failed: see its log for the error"]
        and not calls
    )


def test_alone_nothing_is_told(tmp_path, calls):
    ours = options(tmp_path, "0")
    train_task(TASK, ours)
    assert calls[0][1] == ours and not list(tmp_path.iterdir())


def test_silence_and_other_meetings_are_refused(tmp_path):
    with pytest.raises(UserError, match="announced no training within 0 s"):
        join_trainings(options(tmp_path, "1"), seconds=0)
    with pytest.raises(UserError, match="file://"):
        join_trainings(["--dist_rank", "1", "--dist_init_method", "tcp://a:1"])
    assert rendezvous_file(["--dist_init_method=file:///a b"]).name == "a b"
    assert rendezvous_file(["--dist_init_method"]) is None
