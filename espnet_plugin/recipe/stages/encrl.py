"""The stages of ``encrl.sh``."""

from dataclasses import replace
from pathlib import Path
from typing import Iterator

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.layout import Layout, read_found
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.runner import Runner, log
from espnet_plugin.recipe.shell import shell_words
from espnet_plugin.recipe.stages import models
from espnet_plugin.recipe.stages.data import (
    DATA_STAGES,
    check_sets,
    check_tokens,
    import_reference,
    warn_of_newer_data,
)
from espnet_plugin.recipe.stages.encrl_training import TRAINING_STAGES, training_options
from espnet_plugin.recipe.stages.shape_choice import with_chosen_sizes
from espnet_plugin.recipe.stages.stage import (
    Need,
    Stage,
    check_first_needs,
    run_stages,
)
from espnet_plugin.recipe.stages.words import maybe, several
from espnet_plugin.scratch import scratch_folder

__all__ = ["STAGES", "check_first", "run_encrl"]


def _needs_models(layout: Layout) -> list[Need]:
    return [Need(str(Experiment(layout.models(layout.student_exp)[0]).meta_file), 6)]


def _evaluate(layout: Layout, runner: Runner) -> None:
    options = layout.options
    folders = [layout.reference_exp, *layout.models(layout.student_exp)]
    if options.direct:
        folders += layout.models(f"{layout.student_exp}_direct")
    models.evaluate(options, layout.dump, folders, runner)


def _needs_of_baselines(layout: Layout) -> Iterator[Need]:
    yield Need(f"{layout.stats}/train/speech_shape", 3)
    yield Need(str(Experiment(layout.reference_exp).config_file), 4)


def _train_baselines(layout: Layout, runner: Runner) -> None:
    options = layout.options
    files = [f"{options.baseline_dir}/{name}.yaml" for name in options.baselines]
    # With unlabelled audio the cache of stage 5 has other utterances than a baseline.
    cache = "" if options.unlabelled_sets else options.teacher_cache
    # Only for this call: a parallel one may train other sizes of the same baseline.
    with scratch_folder(Path(options.expdir, "made")) as scratch:
        made = scratch / "folders.txt"
        command = runner.python(
            *("baselines", "--baselines", *files, "--reference", layout.reference_exp),
            *maybe("--teacher_cache", cache),
            *("--sizes", *map(str, options.sizes), "--exp_dir", options.expdir),
            *("--seed", str(options.seed), "--list", str(made)),
            *maybe("--training", options.baseline_training),
            *maybe("--max_epoch", options.baseline_epochs),
            *maybe("--max_lr", options.baseline_lr),
            *training_options(layout),
        )
        runner.train("baselines", command)
        folders = made.read_text(encoding="utf-8").splitlines()
    # Not every baseline makes models with a width of their own.
    if folders:
        models.evaluate(options, layout.dump, folders, runner)


def _is_result(name: str) -> bool:
    # A teacher cache in the same folder also has a meta.json.
    return name.startswith(("asr_", "encrl_"))


def _report(layout: Layout, runner: Runner) -> None:
    options = layout.options
    folders = models.finished(options.expdir, _is_result)
    more = shell_words(options.report_opts, "report_opts")
    if options.remeasure_rtf:
        models.measure_speed(folders, layout.dump, runner)
    models.report(options, folders, layout.dump, runner, more)


def _export(layout: Layout, runner: Runner) -> None:
    options = layout.options
    # The exported files are compared with ESPnet on audio of the development set.
    audio = ["--dev", f"{layout.dump}/{options.valid_set}"]
    if options.feats_type == "fbank":
        audio = ["--dev", f"{options.datadir}/{options.valid_set}"]
        audio += ["--fbank_rate", str(options.fs)]
    folders = [*layout.models(layout.student_exp), *options.export_models]
    models.export(options, folders, audio, runner)


STAGES = (
    *DATA_STAGES,
    *TRAINING_STAGES,
    Stage[Layout](
        7,
        "decoding and scoring",
        "EXPDIR/asr_*/decode_*/<set>/score.json",
        needs=_needs_models,
        work=_evaluate,
    ),
    Stage[Layout](
        8,
        "baselines",
        "EXPDIR/asr_<baseline>_s<seed>_<n>l, trained, decoded and scored",
        needs=_needs_of_baselines,
        work=_train_baselines,
        detail=lambda layout: f" {' '.join(layout.options.baselines)}",
    ),
    Stage[Layout](
        9,
        "report",
        "RESULTS, RESULTS_JSON, EXPDIR/report/report.html",
        needs=lambda layout: (),
        work=_report,
    ),
    Stage[Layout](
        10,
        "export to a device",
        "EXPDIR/asr_*/export/{onnx,sherpa-onnx}; see docs/devices.md",
        needs=_needs_models,
        work=_export,
        detail=lambda layout: f" ({' '.join(layout.options.export_targets)})",
    ),
)


def _beside(layout: Layout, runner: Runner) -> Layout:
    """Find data, statistics and reference in a finished recipe of ESPnet."""
    o = layout.options
    folder = f"{o.expdir}/asr_recipe"
    command = runner.python(
        *("asr_recipe", "--asr_recipe", o.asr_recipe, "--output_dir", folder),
        *maybe("--recipe_exp", o.recipe_exp),
        *maybe("--reference_model_file", o.reference_model_file),
        *maybe("--recipe_train_set", o.recipe_train_set),
        *maybe("--recipe_valid_set", o.recipe_valid_set),
        *several("--recipe_test_sets", o.recipe_test_sets),
        *maybe("--recipe_dump", o.recipe_dump),
        *maybe("--recipe_stats", o.recipe_stats),
        *maybe("--recipe_token_list", o.recipe_token_list),
    )
    # On this machine, not through train_cmd: it takes seconds, and users read its
    # output.
    runner.here(command)
    options, found = read_found(f"{folder}/found.sh", o)
    if options.stage <= 3:
        log(f"Stages 1 to 3 are those of {options.asr_recipe}")
        options = replace(options, stage=4)
    return Layout(options, found)


def check_first(options: EncrlRecipeOptions) -> None:
    """Check what the first chosen stage needs; see :func:`check_first_needs`.

    With ``--asr_recipe`` or ``--reference``, the stages bring what they need.

    Raises:
        UserError: If it is missing. If the reference was imported, but is not named
            this time, other files are looked for: the message says so.
    """
    if options.asr_recipe:
        return
    layout, first, last = Layout(options), options.stage, options.stop_stage
    check_sets(layout)
    if options.reference:
        return
    if first > 2:
        check_tokens(layout)
    try:
        check_first_needs(STAGES, first, last, layout)
    except UserError as error:
        meta = Experiment(options.reference_exp).find_meta()
        if meta is None or not meta.source:
            raise
        raise UserError(
            f"{options.reference_exp} was imported from {meta.source}: give "
            f"--reference {meta.source} in every call, or write it into run.sh. "
            f"Without it, {error}"
        ) from error


def run_encrl(options: EncrlRecipeOptions, runner: Runner) -> None:
    """Run the chosen stages.

    Args:
        options: Options of the recipe.
        runner: Runs the commands.

    Raises:
        UserError: If an input of a stage is missing or does not match the others.
        Failed: If a command fails.
    """
    layout = Layout(options)
    if options.asr_recipe:
        layout = _beside(layout, runner)
    first, last = layout.options.stage, layout.options.stop_stage

    def run(*numbers: int) -> None:
        chosen = [stage for stage in STAGES if stage.number in numbers]
        run_stages(chosen, first, last, layout, runner)

    run(1)
    import_reference(layout, runner)
    run(2)
    check_tokens(layout)
    warn_of_newer_data(layout)
    run(3, 4)
    layout = with_chosen_sizes(layout, runner)
    run(*range(5, 11))
