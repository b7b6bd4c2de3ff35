"""How long the rest of a plan will take, from what finished jobs took."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Mapping, Sequence

from espnet_plugin.runs.plan import Job

__all__ = ["Outlook", "duration", "time_left"]


@dataclass(frozen=True)
class Outlook:
    """What is left.

    Attributes:
        seconds: By the clock, for the jobs of rows whose duration is known.
        unknown: Rows that have no finished job yet.
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
    """Estimate the time for jobs that have not begun.

    A job takes what the finished ones of its row took on average.

    Args:
        todo: The jobs.
        took: Seconds of finished jobs, by name.
        rows: The row of each of these.
        side_by_side: Jobs that run at the same time.
    """
    of_row = defaultdict(list)
    for name, seconds in took.items():
        of_row[rows[name]].append(seconds)
    known = [job for job in todo if job.row in of_row]
    total = sum(sum(of_row[job.row]) / len(of_row[job.row]) for job in known)
    unknown = dict.fromkeys(job.row for job in todo if job.row not in of_row)
    return Outlook(total / side_by_side, tuple(unknown))


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
