"""Options of ``run.sh`` that are passed on to every job: which of them fit."""

from typing import Iterable, Sequence

from espnet_plugin.errors import UserError

__all__ = ["check_passed_on"]

# With these a job does no work, so that it would count as finished without a result.
_NO_WORK = ("--dry_run", "--print_option", "--help", "-h")
# What is run, and in which folder, is different in each job.
_OF_JOBS = ("--expdir", "--stage", "--stop_stage")


def check_passed_on(more: Sequence[str], ours: Iterable[str], by: str) -> None:
    """Refuse options for every job that would replace what makes the jobs differ.

    Args:
        more: Words after ``--``: options of ``run.sh`` for every job.
        ours: Further options that the jobs have already, e.g. ``--seed``.
        by: Who gives them, for the message, e.g. ``the plan sets it``.

    Raises:
        UserError: If one of these options is given, or one with which ``run.sh`` does
            no work.
    """
    refused = {_name(one) for one in (*_OF_JOBS, *ours)}
    for option in more:
        if option in _NO_WORK or _name(option) in _NO_WORK:
            raise UserError(
                f"{option} cannot be given after --, because no job would do its work: "
                "call ./run.sh with it"
            )
        if option.startswith("--") and _name(option) in refused:
            raise UserError(f"{option} cannot be given after --, because {by}")


def _name(option: str) -> str:
    """Return an option as it is declared: ``--stop-stage`` is ``--stop_stage``."""
    return f"--{option[2:].replace('-', '_')}" if option[:2] == "--" else option
