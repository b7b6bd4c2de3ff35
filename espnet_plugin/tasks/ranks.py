"""Distributed training: which process writes, and how the processes end.

ESPnet either starts one process per GPU (``--ngpu``), or a launcher starts it once per
node or process (``espnet2.bin.launch``, ``torchrun``, ``srun``). On CPUs the latter
works with ``--ngpu 0 --dist_backend gloo``.
"""

import argparse
import logging
import multiprocessing
import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from espnet_plugin.errors import UserError

__all__ = [
    "end_together",
    "end_with_message",
    "is_first",
    "named_failures",
    "only_ranks",
    "wait_for",
    "without_ranks",
]

_OPTION = re.compile(r"^--(dist_\w+|local_rank|multiprocessing_distributed)(=.*)?$")
# Words in errors of gloo, NCCL and the rendezvous after another process has ended.
_LOST = re.compile(
    r"closed by peer|reset by peer|broken pipe|refused|timed? ?out|nccl|gloo|"
    r"connection was|failed to (recv|send)",
    re.IGNORECASE,
)


def is_first(options: Sequence[str] = ()) -> bool:
    """Return whether this process writes the files; true if it is the only one.

    It is determined before ``torch.distributed`` is initialised, from the same options
    and environment variables as in ESPnet
    (``espnet2.train.distributed_utils.get_node_rank``).

    Args:
        options: ESPnet's options of the training.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--dist_rank", type=int)
    parser.add_argument("--dist_launcher")
    given, _ = parser.parse_known_args(list(options))
    if given.dist_rank is not None:
        return given.dist_rank == 0
    if given.dist_launcher == "slurm":
        names = ("SLURM_PROCID",)
    elif given.dist_launcher == "mpi":
        names = ("OMPI_COMM_WORLD_RANK", "PMI_RANK")
    else:
        names = ("RANK",)
    return int(next((os.environ[n] for n in names if n in os.environ), 0)) == 0


def without_ranks(options: Sequence[str]) -> list[str]:
    """Return the options without those that differ between processes or starts."""
    return _split(options)[0]


def only_ranks(options: Sequence[str]) -> list[str]:
    """Return the options that :func:`without_ranks` leaves out."""
    return _split(options)[1]


def _split(options: Sequence[str]) -> tuple[list[str], list[str]]:
    others: list[str] = []
    ranks: list[str] = []
    value = False
    for option in options:
        match = _OPTION.match(option)
        (ranks if match or value else others).append(option)
        value = match is not None and match[2] is None
    return others, ranks


def wait_for(path: Path, seconds: float = 1800.0) -> None:
    """Wait until the first process has written a file.

    Raises:
        UserError: If the file does not exist after that time.
    """
    end = time.monotonic() + seconds
    while not path.is_file():
        if time.monotonic() > end:
            raise UserError(
                f"{path} was not written by the first process within {seconds:g} s: "
                "see its log; all processes need the same file system"
            )
        time.sleep(0.5)


@contextmanager
def named_failures(output_dir: str) -> Iterator[None]:
    """Turn errors caused by the end of another process into a clear message.

    Raises:
        UserError: In place of torch's errors.
    """
    import torch.distributed as dist
    from torch.multiprocessing.spawn import ProcessExitedException

    again = (
        "run the same command again: it resumes from the last complete checkpoint in "
        f"{output_dir}"
    )
    try:
        yield
    except ProcessExitedException as error:  # a process that ESPnet started
        raise UserError(
            f"rank {error.error_index} of the training has died ({error.msg}), and "
            f"the others were stopped; see its message above, then {again}"
        ) from error
    except RuntimeError as error:
        together = dist.is_available() and dist.is_initialized()
        lost = isinstance(error, dist.DistError) or (
            together and _LOST.search(str(error))
        )
        if not lost:
            raise
        rank = f"rank {dist.get_rank()} " if together else ""
        first_line = str(error).strip().splitlines()[0]
        raise UserError(
            f"{rank}has lost the other processes of the training ({first_line}): one "
            f"of them was stopped or cannot be reached; see its log, then {again}"
        ) from error


def end_together() -> None:
    """Wait for all ranks and leave the group, so that the process can train again."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def end_with_message(error: UserError) -> None:
    """Print an error and end the process, if ESPnet has spawned it.

    In the main process the error is raised instead.
    """
    if multiprocessing.parent_process() is None:
        raise error
    logging.error("%s", error)
    raise SystemExit(2)
