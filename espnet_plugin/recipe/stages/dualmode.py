"""The stages of ``dualmode.sh``."""

from dataclasses import replace
from pathlib import Path
from typing import Iterator, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.trainings import PlannedTraining
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.option_checks import wanted
from espnet_plugin.recipe.runner import Runner
from espnet_plugin.recipe.stage_list import StageOf, stage_lines
from espnet_plugin.recipe.stages import models
from espnet_plugin.recipe.stages.data import (
    DATA_STAGES,
    check_environment,
    needs_of_tokens,
    warn_of_newer_data,
)
from espnet_plugin.recipe.stages.dualmode_layout import (
    DualmodeLayout,
    data_options_of,
    lines_of,
)
from espnet_plugin.recipe.stages.stage import Need, Stage, run_stages
from espnet_plugin.recipe.stages.words import maybe
from espnet_plugin.yaml_files import deep_merge, read_yaml

__all__ = [
    "STAGES",
    "DualmodeLayout",
    "check_machine",
    "data_options_of",
    "list_dualmode",
    "run_dualmode",
]

_PRETRAIN_SEED = 1


def _pretrain(layout: DualmodeLayout, runner: Runner) -> None:
    options = layout.options
    command = runner.python(
        *("dual_mode_ssl_train", "--config", options.pretrain_config),
        *("--output_dir", layout.pretrain_exp, "--seed", str(_PRETRAIN_SEED)),
        *("--fine_tuning_config", options.train_config),
        *_pretraining_options(layout),
    )
    name = Path(layout.pretrain_exp).name.removeprefix("dual_")
    runner.submit(runner.commands.cuda, name, command)


def _pretraining_options(layout: DualmodeLayout) -> list[str]:
    """Return ESPnet's options for the pre-training."""
    options, data = layout.options, layout.data
    return [
        *maybe("--max_epoch", options.pretrain_epochs),
        *data.set_options("train", layout.pretrain_set, text=False),
        *data.set_options("valid", options.valid_set, text=False),
        *("--train_shape_file", _pretraining_lengths(layout)),
        *("--valid_shape_file", f"{data.stats}/valid/speech_shape"),
        *(*layout.normalize_options(), *layout.ranks()),
    ]


def _pretraining_lengths(layout: DualmodeLayout) -> str:
    return f"{layout.data.dump}/{layout.pretrain_set}/utt2num_samples"


def _needs_of_pretraining(layout: DualmodeLayout) -> Iterator[Need]:
    yield Need(f"{layout.data.stats}/.done", 3)
    yield Need(_pretraining_lengths(layout), 2)


def _check_pretraining(layout: DualmodeLayout, rows: Sequence[str]) -> None:
    """Refuse rows that would start from the pre-training of other options or data.

    Where the audio was deleted afterwards, nothing is compared.
    """
    options = layout.options
    if options.pretrained or not options.pretrain_set:
        return
    files = [Path(options.row_dir, f"{row}.yaml") for row in rows]
    if not any(read_yaml(file, "--rows").get("pretrained") for file in files):
        return
    config = Path(options.pretrain_config)
    needed = [need.file for need in _needs_of_pretraining(layout)]
    needed.append(f"{layout.data.dump}/{layout.pretrain_set}/{layout.data.scp}")
    if all(Path(one).is_file() for one in (config, *needed)):
        # Here, because it imports what reads audio.
        from espnet_plugin.jobs.pretraining import check_same_pretraining

        check_same_pretraining(
            Path(layout.pretrain_exp),
            config,
            _pretraining_options(layout),
            _PRETRAIN_SEED,
        )


def _needs_statistics(layout: DualmodeLayout) -> list[Need]:
    return [Need(f"{layout.data.stats}/.done", 3), *needs_of_tokens(layout.data)]


def _train(layout: DualmodeLayout, runner: Runner, rows: Sequence[str]) -> None:
    _check_pretraining(layout, rows)
    options, data = layout.options, layout.data
    files = [f"{options.row_dir}/{row}.yaml" for row in rows]
    command = runner.python(
        *("dual_mode_train", "--config", options.train_config, "--rows", *files),
        *("--exp_dir", options.expdir, "--seed", str(options.seed)),
        *maybe("--max_epoch", options.epochs),
        *maybe("--pretrained", layout.pretrained),
        *maybe("--reference", options.reference),
        *maybe("--teacher_cache", options.teacher_cache),
        *(*data.data_options(), *data.shape_options(), *layout.ranks()),
        *("--num_att_plot", "0", *data.token_options()),
        *("--normalize", "global_mvn", *layout.normalize_options()),
        *options.train_args,
    )
    runner.submit(runner.commands.cuda, f"train_{'_'.join(rows)}", command)


def _planned_pretraining(layout: DualmodeLayout) -> list[PlannedTraining]:
    options = layout.options
    epochs = options.pretrain_epochs
    if not epochs:
        config = read_yaml(options.pretrain_config, "--pretrain_config")
        epochs = config.get("max_epoch")
    return [PlannedTraining(layout.pretrain_exp, epochs)]


def _planned(layout: DualmodeLayout, rows: Sequence[str]) -> list[PlannedTraining]:
    options = layout.options
    config = read_yaml(options.train_config, "--train_config")
    planned = []
    for row in rows:
        file = Path(options.row_dir, f"{row}.yaml")
        changes = read_yaml(file, "--rows").get("changes") or {}
        own = deep_merge(config, changes, null_removes=True).get("max_epoch")
        planned.append(PlannedTraining(layout.training(row), options.epochs or own))
    return planned


def _check_made(needs: Sequence[Need]) -> None:
    for need in needs:
        need.check()


def _split(layout: DualmodeLayout, runner: Runner, rows: Sequence[str]) -> None:
    folders = [layout.training(row) for row in rows]
    command = runner.python("dual_mode_split", *folders)
    runner.submit(runner.commands.train, f"split_{'_'.join(rows)}", command)


def _trainings(layout: DualmodeLayout, rows: Sequence[str]) -> list[Need]:
    return [Need(str(Experiment(layout.training(row)).done_file), 5) for row in rows]


def _evaluate(layout: DualmodeLayout, runner: Runner, rows: Sequence[str]) -> None:
    folders = [one for row in rows for one in lines_of(Path(layout.model_list(row)))]
    name = f"evaluate_{'_'.join(rows)}"
    models.evaluate(layout.options, layout.data.dump, folders, runner, name)


def _model_lists(layout: DualmodeLayout, rows: Sequence[str]) -> list[Need]:
    return [Need(layout.model_list(row), 6) for row in rows]


def _train_baselines(layout: DualmodeLayout, runner: Runner) -> None:
    rows = layout.options.baselines
    _train(layout, runner, rows)
    _check_made(_trainings(layout, rows))
    _split(layout, runner, rows)
    _check_made(_model_lists(layout, rows))
    _evaluate(layout, runner, rows)


def _is_result(name: str) -> bool:
    # A teacher cache in the same folder also has a meta.json.
    return name.startswith(("asr_", "dual_", "encrl_"))


def _report(layout: DualmodeLayout, runner: Runner) -> None:
    options = layout.options
    folders = models.finished(options.expdir, _is_result)
    if options.remeasure_rtf:
        models.measure_speed(layout.recognisers(), layout.data.dump, runner)
    words = [options.expdir, *models.score_options(options)]
    pairs = runner.output_of(runner.python("dual_mode_pairs", *words))
    models.report(options, folders, layout.data.dump, runner, pairs.splitlines())


def _export(layout: DualmodeLayout, runner: Runner) -> None:
    options = layout.options
    streaming = [one for one in layout.recognisers() if one.endswith("_streaming")]
    if not streaming:
        raise UserError(
            f"{options.expdir} has no streaming model: run stages 5 and 6 with a row "
            "that makes one, e.g. --rows self_pruned_50"
        )
    audio = ["--dev", f"{layout.data.dump}/{options.valid_set}"]
    models.export(options, streaming, audio, runner)


def _rows(layout: DualmodeLayout) -> str:
    return f" of {' '.join(layout.options.rows)}"


STAGES = (
    *DATA_STAGES,
    Stage[DualmodeLayout](
        4,
        "pre-training",
        "EXPDIR/dual_pretrain*: wav2vec 2.0 or BEST-RQ, if there is a --pretrain_set",
        needs=_needs_of_pretraining,
        work=_pretrain,
        trainings=_planned_pretraining,
        detail=lambda layout: f" on {layout.options.pretrain_set}",
        applies=lambda layout: bool(layout.options.pretrain_set),
        otherwise="skipped, because --pretrain_set is not given",
    ),
    Stage[DualmodeLayout](
        5,
        "dual-mode training",
        "EXPDIR/dual_<row>_s<seed>",
        needs=_needs_statistics,
        work=lambda layout, runner: _train(layout, runner, layout.options.rows),
        trainings=lambda layout: _planned(layout, layout.options.rows),
        detail=_rows,
    ),
    Stage[DualmodeLayout](
        6,
        "a folder for each mode",
        "EXPDIR/asr_<row>_s<seed>_{full,streaming}, the streaming one cut out",
        needs=lambda layout: _trainings(layout, layout.options.rows),
        work=lambda layout, runner: _split(layout, runner, layout.options.rows),
        detail=_rows,
    ),
    Stage[DualmodeLayout](
        7,
        "decoding and scoring",
        "EXPDIR/asr_*/decode_*/<set>/score.json",
        needs=lambda layout: _model_lists(layout, layout.options.rows),
        work=lambda layout, runner: _evaluate(layout, runner, layout.options.rows),
    ),
    Stage[DualmodeLayout](
        8,
        "baselines",
        "EXPDIR/asr_<row>_s<seed>_*: stages 5 to 7 for --baselines",
        needs=_needs_statistics,
        work=_train_baselines,
        trainings=lambda layout: _planned(layout, layout.options.baselines),
        detail=lambda layout: f" {' '.join(layout.options.baselines)}",
    ),
    Stage[DualmodeLayout](
        9,
        "report",
        "RESULTS, RESULTS_JSON, EXPDIR/report/report.html",
        needs=lambda layout: (),
        work=_report,
    ),
    Stage[DualmodeLayout](
        10,
        "export to a device",
        "EXPDIR/asr_*_streaming/export/{onnx,sherpa-onnx}; see docs/devices.md",
        needs=lambda layout: (),
        work=_export,
        detail=lambda layout: f" ({' '.join(layout.options.export_targets)})",
    ),
)


def run_dualmode(layout: DualmodeLayout, runner: Runner, of_data: Runner) -> None:
    """Run the chosen stages.

    Args:
        layout: Paths of the recipe.
        runner: Runs the commands.
        of_data: Runs the commands of stages 1 to 3.

    Raises:
        UserError: If an input of a stage is missing or does not match the others.
        Failed: If a command fails.
    """
    first, last = layout.options.stage, layout.options.stop_stage
    if first <= 3:
        run_stages(DATA_STAGES, first, last, _on_one_node(layout), of_data)
    warn_of_newer_data(layout.data)
    run_stages(STAGES[len(DATA_STAGES) :], first, last, layout, runner)


def list_dualmode(layout: DualmodeLayout) -> list[str]:
    """Return the lines of the dry run: stages, trainings, and what is finished."""
    own = STAGES[len(DATA_STAGES) :]
    stages: list[StageOf] = [(stage, layout.data) for stage in DATA_STAGES]
    stages += [(stage, layout) for stage in own]
    options = layout.options
    similar = sorted(map(str, Path(options.expdir).glob("dual_*_s*")))
    return stage_lines(stages, options.stage, options.stop_stage, similar)


def _on_one_node(layout: DualmodeLayout) -> Layout:
    """Return the paths of stages 1 to 3, which use no GPUs."""
    return replace(layout.data, options=replace(layout.data.options, ngpu=0))


def check_machine(layout: DualmodeLayout, runner: Runner, of_data: Runner) -> None:
    """Check GPUs, versions and free disk space before anything is run.

    Args:
        layout: Paths of the recipe.
        runner: Runs the check for the trainings.
        of_data: Runs the check for stages 1 to 3.

    Raises:
        Failed: If a check fails.
    """
    options = layout.options
    if options.stage <= 3:
        check_environment(_on_one_node(layout), of_data)
    trainings = (
        training
        for stage in STAGES[len(DATA_STAGES) :]
        if wanted(options, stage.number) and stage.applies(layout)
        for training in stage.trainings(layout)
    )
    if all(one.is_finished for one in trainings):
        return
    # Jobs of a queue run on other machines, where each training checks its GPUs.
    gpus = 0 if runner.commands.cuda else options.ngpu
    words = ["--ngpu", str(gpus), "--folders", options.expdir]
    runner.here(runner.python("check_environment", *words))
