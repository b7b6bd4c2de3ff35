#!/usr/bin/env python3
"""Train every row of a recipe's tables, several at a time, and make the tables."""

import argparse
import logging
import shlex
import sys
from pathlib import Path
from typing import Mapping, Optional, Sequence

from espnet_plugin.bin.arguments import MOST_SEED, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import locked
from espnet_plugin.runs.execute import Calls, run_jobs
from espnet_plugin.runs.passed_on import check_passed_on
from espnet_plugin.runs.plan import Job, make_jobs
from espnet_plugin.runs.record import Records, inputs_of
from espnet_plugin.runs.spec import PlanSpec, TableSpec, read_spec
from espnet_plugin.runs.state import due_jobs, known_durations, state_table
from espnet_plugin.runs.tables import comparisons, labels, table_words, wanted_tables


class _Split(argparse.Action):
    """Take several words also where they are quoted as one: ``--seeds "1 2"``."""

    def __init__(self, *args, kind=str, **kwargs):
        super().__init__(*args, **kwargs)
        self.kind = kind

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            read = [self.kind(word) for value in values for word in value.split()]
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, read)


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description="Train every row of a recipe's tables, as listed in its "
        "experiments.yaml: several at a time, and each after the rows it needs. What "
        "is finished is not trained again, so the same command resumes after an "
        "interruption. At the end the tables are made. Options of run.sh for every "
        "job may follow after --.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "plan",
        type=Path,
        nargs="?",
        default=Path("experiments.yaml"),
        help="the list of experiments, in the recipe's folder",
    )
    add(
        "--rows",
        nargs="+",
        action=_Split,
        default=[],
        metavar="GROUP",
        help="groups of rows to train; by default those that the file names as its "
        "default",
    )
    add(
        "--seeds",
        nargs="+",
        action=_Split,
        kind=whole(0, MOST_SEED),
        default=[],
        metavar="N",
        help="seeds to use instead of the file's; rows with only one seed use the "
        "first, rows with a list of their own keep it",
    )
    add("--jobs", type=whole(1), default=2, help="number of trainings in parallel")
    add(
        "--list",
        action="store_true",
        help="only print what is finished, what is not and why, and how long it will "
        "take",
    )
    add(
        "--launch",
        type=shlex.split,
        default=[],
        metavar="WORDS",
        help="command put in front of each job, for a cluster, e.g. 'queue.pl --gpu "
        "1' or 'srun --gres=gpu:1'; a script whose name ends with .pl also gets the "
        "log file as an argument",
    )
    add("--no_tables", action="store_true", help="only train; do not make the tables")
    return parser


def run_experiments(args: argparse.Namespace, more: Sequence[str]) -> None:
    """Run the plan, or print what it would run."""
    spec = read_spec(args.plan)
    recipe = args.plan.resolve().parent
    if not (recipe / "run.sh").is_file():
        raise UserError(
            f"{recipe} has no run.sh: --plan {args.plan} must be in a recipe's folder"
        )
    groups = args.rows or list(spec.default)
    jobs = make_jobs(spec, groups, args.seeds)
    check_passed_on(more, _set_by_rows(spec), "the plan sets it")
    calls = Calls(recipe, more, args.launch)
    records = Records(recipe, Path("exp"))
    if args.list:
        due = due_jobs(jobs, calls, records, inputs_of(recipe))
        print(state_table(jobs, due, records, args.jobs))
        return
    with locked(records.folder, wait=False):
        if spec.prepare is not None:
            calls.here(shlex.split(spec.prepare), "the data")
        failed = _train(jobs, calls, records, args.jobs)
        if not args.no_tables:
            _make_tables(wanted_tables(spec, groups), spec, calls)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}. See "
            f"their logs in {records.folder}, then run the same command again"
        )


def _set_by_rows(spec: PlanSpec) -> set[str]:
    """Return the options that are different in the jobs of a row."""
    ours: set[str] = set()
    for row in spec.rows.values():
        words = shlex.split(row.options)
        ours |= {name for name, value in zip(words, words[1:]) if "{" in value}
    return ours


def _train(jobs: Sequence[Job], calls: Calls, records: Records, number: int) -> list:
    inputs = inputs_of(calls.recipe)
    due = due_jobs(jobs, calls, records, inputs)
    logging.info("\n%s", state_table(jobs, due, records, number))
    todo = [job for job in jobs if due[job.name]]
    for expdir in {job.expdir for job in todo if job.expdir}:
        _share_statistics(calls.recipe, expdir)
    known = known_durations([job for job in jobs if not due[job.name]], records)
    return run_jobs(todo, calls, records, inputs, number, known)


def _share_statistics(recipe: Path, expdir: Path) -> None:
    """Link the results of stage 3 into another folder of models."""
    folder = recipe / expdir
    folder.mkdir(parents=True, exist_ok=True)
    for stats in (recipe / "exp").glob("asr_stats_*"):
        link = folder / stats.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(stats.resolve())


def _make_tables(tables: Mapping[str, TableSpec], spec: PlanSpec, calls: Calls) -> None:
    for name, table in tables.items():
        expdir = Path(table.expdir) if table.expdir else None
        known = labels(calls.recipe / (expdir or Path("exp")))
        if not known:
            logging.warning("%s is not made: it has no finished model yet", name)
            continue
        words = table_words(table, comparisons(table, spec.sizes, known))
        calls.here(words, name, expdir)


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Run the command."""
    words = list(sys.argv[1:] if cmd is None else cmd)
    at = words.index("--") if "--" in words else len(words)
    args, more = get_parser().parse_args(words[:at]), words[at + 1 :]
    return run_command(lambda: run_experiments(args, more))


if __name__ == "__main__":
    sys.exit(main())
