"""Determine which jobs of a plan are finished, and which are due and why."""

from collections import defaultdict
from typing import Mapping, Optional, Sequence

from espnet_plugin.runs.execute import Calls
from espnet_plugin.runs.outlook import duration, time_left
from espnet_plugin.runs.plan import Job
from espnet_plugin.runs.record import Records

__all__ = ["due_jobs", "known_durations", "state_table"]


def due_jobs(
    jobs: Sequence[Job], calls: Calls, records: Records, inputs: Mapping[str, str]
) -> dict[str, Optional[str]]:
    """Return the reason why each job has to run, by name; None if it is finished."""
    due: dict[str, Optional[str]] = {}
    for job in jobs:
        command = calls.command(job.words, job.expdir)
        due[job.name] = records.due(job, command, inputs) or next(
            (f"after {name}, which is due" for name in job.after if due.get(name)), None
        )
    return due


def known_durations(
    jobs: Sequence[Job], records: Records
) -> dict[str, tuple[str, float]]:
    """Return row and duration in seconds of every job that has succeeded before."""
    found = {job.name: (job.row, records.find(job.name)) for job in jobs}
    return {
        name: (row, record.seconds)
        for name, (row, record) in found.items()
        if record and record.ok
    }


def state_table(
    jobs: Sequence[Job],
    due: Mapping[str, Optional[str]],
    records: Records,
    side_by_side: int,
) -> str:
    """Return a table of rows with finished and due jobs, reasons and the time left."""
    of_row = defaultdict(list)
    for job in jobs:
        of_row[job.row].append(job)
    known = known_durations(jobs, records)
    lines = [("row", "finished", "due", "each took", "why")]
    for row, own in of_row.items():
        todo = [job for job in own if due[job.name]]
        took = [known[job.name][1] for job in own if job.name in known]
        reasons = dict.fromkeys(due[job.name] for job in todo)
        lines.append(
            (
                row,
                f"{len(own) - len(todo)} of {len(own)}",
                str(len(todo)),
                duration(sum(took) / len(took)) if took else "",
                "; ".join(reasons),
            )
        )
    widths = [max(len(line[n]) for line in lines) for n in range(4)]
    table = [
        "  ".join([*(c.ljust(w) for c, w in zip(line, widths)), line[4]]).rstrip()
        for line in lines
    ]
    rest = [job for job in jobs if due[job.name]]
    if not rest:
        return "\n".join([*table, "Everything is finished."])
    took = {name: seconds for name, (_, seconds) in known.items()}
    rows = {name: row for name, (row, _) in known.items()}
    return "\n".join([*table, f"{time_left(rest, took, rows, side_by_side)}."])
