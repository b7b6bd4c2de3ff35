"""Make the jobs of a plan: every row with every seed, in the order of starting."""

import itertools
import re
import shlex
import string
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Iterable, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.runs.spec import PlanSpec, RowSpec

__all__ = ["Job", "fill_in", "make_jobs"]


@dataclass(frozen=True)
class Job:
    """One call of the recipe's ``run.sh``.

    Attributes:
        name: Unique name, valid as a file name.
        row: Name of its row in the plan.
        seed: Seed of the job.
        words: Options of ``run.sh`` as separate words.
        after: Names of the jobs that have to be finished first.
        leaves: Patterns of the folders that it writes.
        expdir: Folder of the models, if it is not the recipe's own.
    """

    name: str
    row: str
    seed: int
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    expdir: Optional[Path] = None


def make_jobs(
    spec: PlanSpec, groups: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[Job]:
    """Return the jobs of the requested groups and the jobs that they depend on.

    All jobs of a seed come before those of the next. So after an interruption the
    tables have fewer seeds, but all rows. A job comes after all jobs that it depends
    on.

    Args:
        spec: The plan.
        groups: Groups; by default those of the plan.
        seeds: Seeds; by default those of the plan. Rows with one seed use the first.

    Raises:
        UserError: If a group or a placeholder in an option is unknown, two jobs have
            the same name, or the dependencies of rows are circular.
    """
    seeds = tuple(seeds or spec.seeds)
    groups = tuple(groups or spec.default)
    known = {row.group for row in spec.rows.values()}
    for group in groups:
        if group not in known:
            raise UserError(f"--rows {group}: choose from {', '.join(sorted(known))}")
    order = _in_order(spec.rows)
    wanted = _with_needs(spec.rows, groups)
    jobs: dict[str, Job] = {}
    for seed in _all_seeds(spec, wanted, seeds):
        for row in order:
            if row not in wanted or seed not in _seeds(spec.rows[row], seeds):
                continue
            for job in _jobs_of(row, spec.rows, seed, seeds):
                if job.name in jobs:
                    raise UserError(f"rows.{row}: two jobs are named {job.name}")
                jobs[job.name] = job
    _refuse_twins(jobs.values())
    return list(jobs.values())


def _refuse_twins(jobs: Iterable[Job]) -> None:
    """Refuse jobs of one row that make the same call: one training, several times."""
    seen: dict[tuple, Job] = {}
    for job in jobs:
        other = seen.setdefault((job.row, job.words), job)
        if other is not job:
            raise UserError(
                f"rows.{job.row}: the jobs {other.name} and {job.name} make the same "
                f"call ({shlex.join(job.words)}): use {{seed}} and the names in each "
                "in its options, or give it seeds: first"
            )


def fill_in(text: str, values: Mapping[str, object], where: str) -> str:
    """Replace placeholders ``{name}`` by values.

    Raises:
        UserError: If a name has no value; ``where`` is used in the message.
    """
    try:
        return string.Formatter().vformat(text, (), values)
    except ValueError as error:
        raise UserError(
            f"{where} {text!r}: {error}: write {{{{ and }}}} for braces that are not "
            "around a placeholder"
        ) from error
    except (KeyError, IndexError) as error:
        raise UserError(
            f"{where} {text!r}: {error} is not a known placeholder; choose from "
            f"{', '.join(values)}"
        ) from error


def _in_order(rows: Mapping[str, RowSpec]) -> list[str]:
    """Return the names of the rows in an order that respects their dependencies."""
    try:
        # Rows that do not depend on each other stay in the file's order.
        return list(
            TopologicalSorter({n: r.after for n, r in rows.items()}).static_order()
        )
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UserError(f"rows wait for each other in a circle: {circle}") from error


def _with_needs(rows: Mapping[str, RowSpec], groups: Sequence[str]) -> set[str]:
    wanted = {name for name, row in rows.items() if row.group in groups}
    todo = list(wanted)
    while todo:
        for name in rows[todo.pop()].after:
            if name not in wanted:
                wanted.add(name)
                todo.append(name)
    return wanted


def _seeds(row: RowSpec, seeds: Sequence[int]) -> Sequence[int]:
    if row.seeds is None:
        return seeds
    return seeds[:1] if row.seeds == "first" else row.seeds


def _all_seeds(spec: PlanSpec, wanted: set[str], seeds: Sequence[int]) -> list[int]:
    others = {s for name in wanted for s in _seeds(spec.rows[name], seeds)}
    return [*dict.fromkeys(seeds), *sorted(others - set(seeds))]


def _jobs_of(
    name: str, rows: Mapping[str, RowSpec], seed: int, seeds: Sequence[int]
) -> list[Job]:
    row = rows[name]
    values = {"seed": seed, "first": seeds[0]}
    after = tuple(
        job
        for needed in row.after
        for other in [_seed_of(rows[needed], seed, seeds)]
        for job in _names(needed, rows[needed], other)
    )
    jobs = []
    for chosen, job in zip(_combinations(row), _names(name, row, seed)):
        given = {**values, **chosen}
        where = f"rows.{name}"
        words = [fill_in(w, given, where) for w in shlex.split(row.options)]
        leaves = tuple(fill_in(folder, given, where) for folder in row.leaves)
        expdir = Path(row.expdir) if row.expdir else None
        jobs.append(Job(job, name, seed, tuple(words), after, leaves, expdir))
    return jobs


def _seed_of(row: RowSpec, seed: int, seeds: Sequence[int]) -> int:
    """Return the seed of a row on which another row with ``seed`` depends."""
    own = _seeds(row, seeds)
    return seed if seed in own else own[0]


def _combinations(row: RowSpec) -> list[dict[str, object]]:
    values = [list(map(str, v)) for v in row.each.values()]
    return [dict(zip(row.each, chosen)) for chosen in itertools.product(*values)]


def _names(name: str, row: RowSpec, seed: int) -> list[str]:
    parts = [(name, *chosen.values()) for chosen in _combinations(row)]
    return [
        re.sub(r"[^A-Za-z0-9.+-]+", "_", "_".join((*part, f"s{seed}")))
        for part in parts
    ]
