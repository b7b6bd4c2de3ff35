"""What the families do with finished models: decode, score, report, export."""

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

# Exit status of an export that did not write some 8-bit files, because they lose too
# much accuracy.
REJECTED = 3


def evaluate(
    options: SharedOptions,
    dump: str,
    models: Sequence[str],
    runner: Runner,
    name: str = "evaluate",
) -> None:
    """Decode and score the models on all sets, unless that is done already.

    Args:
        options: Options of the recipe.
        dump: Folder of the formatted sets.
        models: Folders of the models.
        runner: Runs the command.
        name: Name of its log.

    Raises:
        Failed: If the command fails.
    """
    command = runner.python(
        *("evaluate", *models, "--dump_dir", dump),
        *("--sets", options.valid_set, *options.test_sets),
        *("--decoding", options.decoding, "--num_threads", str(options.num_threads)),
        *("--ngpu", str(options.ngpu), "--nj", str(options.decode_nj)),
    )
    runner.submit(runner.commands.decode, name, command)


def finished(expdir: str, is_one: Callable[[str], bool]) -> list[str]:
    """Return the folders of finished models and trainings, sorted.

    Args:
        expdir: Folder of experiments.
        is_one: Whether a name is that of a model or training.

    Raises:
        UserError: If there is none.
    """
    folders = (file.parent for file in Path(expdir).glob("*/meta.json"))
    # A link to a model in another folder is not a model of this recipe.
    own = (one for one in folders if is_one(one.name) and not one.is_symlink())
    found = sorted(map(str, own))
    if not found:
        raise UserError(f"{expdir} has no finished model: run the earlier stages first")
    return found


def measure_speed(models: Sequence[str], dump: str, runner: Runner) -> None:
    """Measure the speed of models again, on this machine."""
    words = [*models, "--dump_dir", dump, "--sets", "--only_rtf", "true"]
    runner.here(runner.python("evaluate", *words))


def score_options(options: SharedOptions) -> list[str]:
    """Return the options that say which scores are reported."""
    test_set = next(iter(options.test_sets), "")
    return ["--decoding", options.decoding, "--test_set", test_set]


def report(
    options: SharedOptions,
    models: Sequence[str],
    dump: str,
    runner: Runner,
    more: Sequence[str],
) -> None:
    """Write the tables, plots and HTML report of stage 9.

    Args:
        options: Options of the recipe.
        models: Folders of models and trainings.
        dump: Folder of the formatted sets.
        runner: Runs the command.
        more: Further options of the command.

    Raises:
        Failed: If the command fails.
    """
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
        options: Options of the recipe.
        models: Folders of the models; one that is listed twice is exported once.
        audio: Options that name the audio on which texts are compared with ESPnet's.
        runner: Runs the commands.

    Raises:
        Failed: If a command fails; with status ``REJECTED`` if only 8-bit files are
            missing, because they lose too much accuracy.
    """
    more, rejected = shell_words(options.export_opts, "export_opts"), False
    once: dict[Path, str] = {}
    for one in models:  # by place, because a folder can be written in several ways
        once.setdefault(Path(one).resolve(), one)
    for target in options.export_targets:
        words = [*once.values(), "--target", target, "--measure", *audio, *more]
        status = runner.status_of(runner.python("export", *words))
        rejected |= status == REJECTED
        if status not in (0, REJECTED):
            raise Failed(status)
    log("Run stage 9 again to add the exports to the report")
    if rejected:
        raise Failed(REJECTED)
