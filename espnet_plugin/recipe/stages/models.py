"""What both families do with finished models: decode, report, export."""

from pathlib import Path
from typing import Callable, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.options.shared import SharedOptions
from espnet_plugin.recipe.runner import Failed, Runner, log
from espnet_plugin.recipe.shell import shell_words

__all__ = [
    "REJECTED",
    "evaluate",
    "export",
    "finished",
    "measure_speed",
    "report",
    "score_options",
]

# Status of an export that wrote all but the 8-bit files that lost too much.
REJECTED = 3


def evaluate(
    options: SharedOptions,
    dump: str,
    models: Sequence[str],
    runner: Runner,
    name: str = "evaluate",
) -> None:
    """Decode and score what is not yet."""
    command = runner.python(
        *("evaluate", *models, "--dump_dir", dump),
        *("--sets", options.valid_set, *options.test_sets),
        *("--decoding", options.decoding, "--num_threads", str(options.num_threads)),
        *("--ngpu", str(options.ngpu), "--nj", str(options.decode_nj)),
    )
    runner.submit(runner.commands.decode, name, command)


def finished(expdir: str, is_one: Callable[[str], bool]) -> list[str]:
    """Return the folders of finished models and trainings.

    Raises:
        UserError: If there is none.
    """
    folders = (file.parent for file in Path(expdir).glob("*/meta.json"))
    # A link to a model elsewhere is no model of this folder.
    own = (one for one in folders if is_one(one.name) and not one.is_symlink())
    found = sorted(map(str, own))
    if not found:
        raise UserError(f"{expdir} has no finished model: run the stages before first")
    return found


def measure_speed(models: Sequence[str], dump: str, runner: Runner) -> None:
    """Measure speed again, here and now."""
    words = [*models, "--dump_dir", dump, "--sets", "--only_rtf", "true"]
    runner.here(runner.python("evaluate", *words))


def score_options(options: SharedOptions) -> list[str]:
    """Return what says which scores are reported."""
    test_set = next(iter(options.test_sets), "")
    return ["--decoding", options.decoding, "--test_set", test_set]


def report(
    options: SharedOptions,
    models: Sequence[str],
    dump: str,
    runner: Runner,
    more: Sequence[str],
) -> None:
    """Write tables and plots."""
    folder = f"{options.expdir}/report"
    command = runner.python(
        *("report", *models, "--corpus", options.corpus, *score_options(options)),
        *("--dev_set", options.valid_set, "--dump_dir", dump),
        *("--results_json", options.results_json),
        *("--markdown", options.results, "--plot_dir", options.plot_dir or folder),
        *("--html", f"{folder}/report.html", *more),
    )
    runner.here(command)


def export(
    options: SharedOptions, models: Sequence[str], audio: Sequence[str], runner: Runner
) -> None:
    """Export models for each target.

    Args:
        options: The recipe's.
        models: Their folders.
        audio: What names the audio to compare the texts of the files on.
        runner: Runs the commands.

    Raises:
        Failed: With status ``REJECTED``, if 8-bit files lost too much.
    """
    more, rejected = shell_words(options.export_opts, "export_opts"), False
    for target in options.export_targets:
        words = [*models, "--target", target, "--measure", *audio, *more]
        status = runner.status_of(runner.python("export", *words))
        rejected |= status == REJECTED
        if status not in (0, REJECTED):
            raise Failed(status)
    log("Run stage 9 again to have the exports in the report")
    if rejected:
        raise Failed(REJECTED)
