"""Run a job with several trainings on several nodes.

Between its trainings such a job has work to do once (prune, cut, write), so only the
first process runs it. That process announces each training in a file next to the one by
which ESPnet's launcher connects the processes (``--dist_init_method file://...``, on a
shared file system), and the other processes join the training.
"""

import logging
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json
from espnet_plugin.jobs.trainer import train_here, use_trainer
from espnet_plugin.tasks.ranks import only_ranks, without_ranks

__all__ = ["join_trainings", "rendezvous_file", "share_trainings"]

_PREFIX = "file://"


def rendezvous_file(options: Sequence[str]) -> Optional[Path]:
    """Return the file by which the processes are connected; None if there is none.

    Args:
        options: Options of ESPnet.
    """
    for name, value in zip(options, [*options[1:], ""]):
        name, _, same = name.partition("=")
        value = same or value
        if name == "--dist_init_method" and value.startswith(_PREFIX):
            return Path(value.removeprefix(_PREFIX))
    return None


@contextmanager
def share_trainings(options: Sequence[str]) -> Iterator[None]:
    """Announce each training in the context to the other processes, and its end.

    Args:
        options: Options of ESPnet, with ``--dist_init_method``.

    Raises:
        UserError: If the processes are not connected by a file.
    """
    meeting = _needed_file(options)

    def announce_and_train(task: str, cmd: Sequence[str]) -> None:
        number = 1
        while _announcement(meeting, number).exists():
            number += 1
        write_json(
            _announcement(meeting, number), {"task": task, "cmd": without_ranks(cmd)}
        )
        train_here(task, _options_of(meeting, number, cmd, cmd))

    failed = True
    try:
        with use_trainer(announce_and_train):
            yield
        failed = False
    finally:
        write_json(_end(meeting), {"failed": failed})


def join_trainings(options: Sequence[str], seconds: float = 24 * 3600.0) -> None:
    """Join each training that the first process announces, until the job ends.

    Args:
        options: Options of ESPnet, with ``--dist_init_method``.
        seconds: Longest time in seconds to wait for the next training.

    Raises:
        UserError: If the first process failed or announced no training in this time.
    """
    meeting = _needed_file(options)
    number = 1
    while _wait_for(meeting, number, seconds):
        announced = read_json(_announcement(meeting, number))
        logging.info("joining training number %d of the first process", number)
        cmd = _options_of(meeting, number, announced["cmd"], options)
        train_here(announced["task"], cmd)
        number += 1


def _wait_for(meeting: Path, number: int, seconds: float) -> bool:
    """Wait for an announcement; return False if the job has ended instead."""
    limit = time.monotonic() + seconds
    while True:
        # Checked first: a training may be announced and the job end between the checks.
        ended = _end(meeting).exists()
        if _announcement(meeting, number).exists():
            return True
        if ended:
            if read_json(_end(meeting))["failed"]:
                raise UserError(
                    "the first process has failed: see its log for the error"
                )
            return False
        if time.monotonic() > limit:
            raise UserError(
                f"the first process announced no training within {seconds:g} s: see "
                f"its log, and check that all nodes can read {meeting.parent}"
            )
        time.sleep(0.5)


def _needed_file(options: Sequence[str]) -> Path:
    meeting = rendezvous_file(options)
    if meeting is None:
        raise UserError(
            "--dist_init_method file://... is needed for several trainings on several "
            "nodes: start them with espnet2.bin.launch without --master_port"
        )
    return meeting


def _announcement(meeting: Path, number: int) -> Path:
    return Path(f"{meeting}.job_{number}.json")


def _end(meeting: Path) -> Path:
    return Path(f"{meeting}.end.json")


def _options_of(
    meeting: Path, number: int, cmd: Sequence[str], options: Sequence[str]
) -> list[str]:
    """Return a training's options for one process; each training has its own file."""
    ranks = only_ranks(options)
    for i, option in enumerate(ranks):
        ranks[i] = option.replace(f"{_PREFIX}{meeting}", f"{_PREFIX}{meeting}.{number}")
    return [*without_ranks(cmd), *ranks]
