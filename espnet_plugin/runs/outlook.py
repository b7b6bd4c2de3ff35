"""Estimate how long the rest of a plan will take, from finished jobs."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Mapping, Sequence

from espnet_plugin.progress import duration
from espnet_plugin.runs.plan import Job

__all__ = ["Outlook", "time_left"]


@dataclass(frozen=True)
class Outlook:
    """The estimated time left.

    Attributes:
        seconds: Wall-clock seconds for the jobs of rows with a known duration.
        unknown: Rows without a finished job.
    """

    seconds: float
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        if not self.unknown:
            return f"{duration(self.seconds)} left"
        rows = ", ".join(self.unknown)
        if not self.seconds:
            return f"how long {rows} will take is not known yet"
        return (
            f"{duration(self.seconds)} left, and {rows}, whose duration is not known "
            "yet"
        )


def time_left(
    todo: Sequence[Job],
    took: Mapping[str, float],
    rows: Mapping[str, str],
    side_by_side: int,
) -> Outlook:
    """Estimate the time for unfinished jobs.

    A job is assumed to take the mean time of the finished jobs in its row.

    Args:
        todo: The jobs.
        took: Durations of finished jobs in seconds, by name.
        rows: Rows of these jobs, by name.
        side_by_side: Number of parallel jobs.
    """
    of_row = defaultdict(list)
    for name, seconds in took.items():
        of_row[rows[name]].append(seconds)
    known = [job for job in todo if job.row in of_row]
    total = sum(sum(of_row[job.row]) / len(of_row[job.row]) for job in known)
    unknown = dict.fromkeys(job.row for job in todo if job.row not in of_row)
    return Outlook(total / side_by_side, tuple(unknown))
