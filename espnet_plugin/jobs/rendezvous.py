"""Several nodes that share a job of several trainings: the first leads, others follow.

Between its trainings such a job does things once (prunes, cuts, writes), so the other
processes know nothing of it: the first one tells them of each training as it begins, by
a file beside the one by which ESPnet's launcher lets them meet
(``--dist_init_method file://...``, of a shared file system).
"""

import importlib
import logging
import time
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Iterator, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json
from espnet_plugin.tasks.ranks import only_ranks, without_ranks

__all__ = ["follow", "leading", "meeting_file", "run_task"]

_PREFIX = "file://"
_told: ContextVar[Optional[Path]] = ContextVar("told", default=None)


def meeting_file(options: Sequence[str]) -> Optional[Path]:
    """Return the file by which the processes meet, None where there is none."""
    for name, value in zip(options, [*options[1:], ""]):
        name, _, same = name.partition("=")
        value = same or value
        if name == "--dist_init_method" and value.startswith(_PREFIX):
            return Path(value.removeprefix(_PREFIX))
    return None


def run_task(task: str, cmd: Sequence[str]) -> None:
    """Train with one of our tasks; a leader tells the others first.

    Args:
        task: ``module:class``.
        cmd: Options of its ``main``.
    """
    meeting = _told.get()
    if meeting is not None:
        number = 1
        while _job(meeting, number).exists():
            number += 1
        write_json(_job(meeting, number), {"task": task, "cmd": without_ranks(cmd)})
        cmd = _at(meeting, number, cmd, cmd)
    _main(task, cmd)


@contextmanager
def leading(options: Sequence[str]) -> Iterator[None]:
    """Tell the other processes of every :func:`run_task` inside, and of the end.

    Args:
        options: ESPnet's, with those that say how the processes meet.

    Raises:
        UserError: If they do not meet by a file.
    """
    meeting = _needed_file(options)
    token = _told.set(meeting)
    failed = True
    try:
        yield
        failed = False
    finally:
        _told.reset(token)
        write_json(Path(f"{meeting}.end.json"), {"failed": failed})


def follow(options: Sequence[str], seconds: float = 24 * 3600.0) -> None:
    """Take part in each training that the first process begins, until it ends.

    Args:
        options: ESPnet's, with those that say how the processes meet.
        seconds: Longest wait from one training to the next.

    Raises:
        UserError: If the first process failed, or nothing was heard in that time.
    """
    meeting = _needed_file(options)
    end, number = Path(f"{meeting}.end.json"), 1
    while True:
        limit = time.monotonic() + seconds
        while not _job(meeting, number).exists():
            if end.exists():
                if read_json(end)["failed"]:
                    raise UserError("the first process has failed: see its log")
                return
            if time.monotonic() > limit:
                raise UserError(
                    f"nothing was heard of the first process in {seconds:g} s: see its "
                    f"log; all processes need {meeting.parent}"
                )
            time.sleep(0.5)
        told = read_json(_job(meeting, number))
        logging.info("training %d of the first process", number)
        _main(told["task"], _at(meeting, number, told["cmd"], options))
        number += 1


def _needed_file(options: Sequence[str]) -> Path:
    meeting = meeting_file(options)
    if meeting is None:
        raise UserError(
            "several trainings on several nodes need --dist_init_method file://..., as "
            "espnet2.bin.launch gives it without --master_port"
        )
    return meeting


def _job(meeting: Path, number: int) -> Path:
    return Path(f"{meeting}.job_{number}.json")


def _at(
    meeting: Path, number: int, cmd: Sequence[str], options: Sequence[str]
) -> list[str]:
    """Return a training's options for one process; a file serves one meeting only."""
    ranks = only_ranks(options)
    for i, option in enumerate(ranks):
        ranks[i] = option.replace(f"{_PREFIX}{meeting}", f"{_PREFIX}{meeting}.{number}")
    return [*without_ranks(cmd), *ranks]


def _main(task: str, cmd: Sequence[str]) -> None:
    # Here, because ESPnet takes many seconds to import.
    module, name = task.split(":")
    getattr(importlib.import_module(module), name).main(cmd=list(cmd))
