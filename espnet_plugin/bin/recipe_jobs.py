"""Run the seeds, sizes and baselines of an EncRL recipe as independent jobs (jobs.sh).

    python -m espnet_plugin.bin.recipe_jobs --seeds "100 200" --sizes "6 4 2" -- --nj 4

Run it in a recipe's folder, with the environment of its path.sh.
"""

import subprocess
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.files import locked
from espnet_plugin.recipe.command_line import CommandLine, HelpWanted
from espnet_plugin.recipe.help import option_lines
from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.jobs import JobsOptions
from espnet_plugin.recipe.runner import Failed
from espnet_plugin.recipe.shell import read_commands
from espnet_plugin.runs.execute import Calls, run_jobs
from espnet_plugin.runs.family import family_plan
from espnet_plugin.runs.passed_on import check_passed_on
from espnet_plugin.runs.plan import make_jobs
from espnet_plugin.runs.record import Records, inputs_of

__all__ = ["main"]

_SCRIPT = "./jobs.sh"
_USAGE = f"""usage: {_SCRIPT} [--option value]... [-- options of run.sh]

Seeds, sizes and baselines as independent jobs, through the commands of cmd.sh. Stages 1
to 3 have to be finished (or give -- --asr_recipe FOLDER). Stage 4 runs first, then the
jobs with stages 5 to 8, each after those it needs; stage 9 gathers the results at the
end. Logs are in EXPDIR/jobs. Run it again after a failure: what is finished is not done
again.

Example:
  {_SCRIPT} --seeds "100 200 300" --baselines "scratch width" -- --asr_recipe ../asr1
"""


def _asked(options: JobsOptions, calls: Calls, name: str) -> str:
    """Return an option of the recipe, which also checks the options of run.sh."""
    stages = ["--stage", "5", "--stop_stage", "7"]
    if options.baselines:
        stages = ["--stage", "5", "--stop_stage", "8"]
        stages += ["--baselines", " ".join(options.baselines)]
    sizes = ["--sizes", " ".join(map(str, options.sizes))]
    command = calls.command([*stages, *sizes, "--print_option", name])
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise UserError(
            f"--run {' '.join(options.run)}: {command[0]} cannot be started in "
            f"{Path.cwd()}: {error.strerror or error}"
        ) from error
    if done.returncode:
        raise Failed(done.returncode)
    return done.stdout.strip()


def _check_whose(words: Sequence[str]) -> None:
    """Check that options of run.sh are not given as those of this script."""
    ours = {one.name for one in options_of(JobsOptions)}
    theirs = {one.name for one in options_of(EncrlRecipeOptions)} - ours
    for word in words:
        if word.startswith("--") and word[2:].replace("-", "_") in theirs:
            raise UserError(
                f"{word} is an option of run.sh: write it after --, as in {_SCRIPT} "
                f'--seeds "1 2" -- {word} VALUE'
            )


def _check_once(option: str, names: Sequence[str]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(
            f"--{option} {' '.join(names)}: {twice[0]} is given twice: give it once"
        )


def run_family(line: CommandLine[JobsOptions], more: Sequence[str]) -> None:
    """Run the jobs, then the report.

    Args:
        line: The command line.
        more: Options of ``run.sh``.

    Raises:
        UserError: If an option is wrong, or a job failed.
        Failed: If ``run.sh`` refuses the options; it has printed the reason.
    """
    options = line.values
    # --encrl_layers may be given: the same number for all seeds is possible.
    ours = [f"--{one.name}" for one in options_of(JobsOptions)]
    by = "each job has its own: give it before -- (--seeds, not --seed)"
    check_passed_on(more, [*ours, "--seed"], by)
    _check_once("baselines", options.baselines)
    if "--budget" in more:
        raise UserError(
            "--budget: the sizes are found by stage 5 in one process: first run "
            "./run.sh --stage 5 --stop_stage 5 with --budget, then give the sizes it "
            "found with --sizes"
        )
    commands = read_commands({"ngpu": str(options.ngpu)})
    every = [*more, "--ngpu", str(options.ngpu), "--expdir", options.expdir]
    here = Path()
    calls = Calls(here, every, commands.cuda, options.run, commands.environment)
    records = Records(here, Path(options.expdir), "jobs")
    with locked(records.folder, wait=False):
        # Without epochs for all sizes, stage 6 cuts them out of one student in seconds.
        together = (
            _asked(options, calls, "finetune") == "together"
            or _asked(options, calls, "finetune_epochs") == "0"
        )
        plan = family_plan(options.seeds, options.sizes, options.baselines, together)
        jobs = make_jobs(plan)
        calls.here((plan.prepare or "").split(), "stage 4")
        inputs = inputs_of(here)
        failed = run_jobs(jobs, calls, records, inputs, options.max_jobs, {})
        if failed:
            raise UserError(
                f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}. See "
                f"their logs in {records.folder}, then run the same command again"
            )
        # Speed was measured on busy machines: once more, here and now.
        words = ["--stage", "9", "--stop_stage", "9", "--remeasure_rtf", "true"]
        calls.here(words, "the report")


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Run the command."""
    words = list(sys.argv[1:] if cmd is None else cmd)
    at = words.index("--") if "--" in words else len(words)
    status = 0

    def work() -> None:
        nonlocal status
        try:
            _check_whose(words[:at])
            line = CommandLine.read(JobsOptions, words[:at], _SCRIPT, {}, {})
            run_family(line, words[at + 1 :])
        except HelpWanted:
            print(_USAGE, *option_lines(JobsOptions), sep="\n")
        except Failed as error:
            status = error.status

    return run_command(work) or status


if __name__ == "__main__":
    sys.exit(main())
