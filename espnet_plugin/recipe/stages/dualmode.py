"""The stages of ``dualmode.sh``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterator, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.trainings import PlannedTraining
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.jobs.pretraining_loss import folder_name, loss_of
from espnet_plugin.names import WAV2VEC2
from espnet_plugin.recipe.encrl_checks import wanted
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlOptions
from espnet_plugin.recipe.runner import Runner
from espnet_plugin.recipe.stage_list import StageOf, stage_lines
from espnet_plugin.recipe.stages import models
from espnet_plugin.recipe.stages.data import (
    DATA_STAGES,
    check_environment,
    warn_of_newer_data,
)
from espnet_plugin.recipe.stages.stage import Need, Stage, run_stages
from espnet_plugin.recipe.stages.words import maybe
from espnet_plugin.yaml_files import deep_merge, read_yaml

__all__ = [
    "STAGES",
    "DualmodeLayout",
    "data_options_of",
    "list_dualmode",
    "run_dualmode",
]

# Options of stages 1 to 3, which are those of the EncRL family.
_OF_DATA = (
    *("nj", "python", "datadir", "dumpdir", "expdir", "train_set", "valid_set"),
    *("test_sets", "local_data_opts", "fs", "speed_perturb_factors"),
    *("min_wav_duration", "max_wav_duration", "bad_utterances", "check_audio"),
    *("expected_warnings", "token_type", "nbpe", "nlsyms"),
)


def data_options_of(options: DualmodeOptions) -> EncrlOptions:
    """Return the options of stages 1 to 3, as the EncRL family declares them."""
    return EncrlOptions(
        **{name: getattr(options, name) for name in _OF_DATA},
        stage=options.stage,
        stop_stage=min(options.stop_stage, 3),
        unlabelled_sets=(options.pretrain_set,) if options.pretrain_set else (),
        reference_config=options.train_config,
    )


@dataclass(frozen=True)
class DualmodeLayout:
    """The paths of a dual-mode recipe.

    Attributes:
        options: Options of the recipe.
        data: Paths of stages 1 to 3.
    """

    options: DualmodeOptions
    data: Layout

    @property
    def pretrain_exp(self) -> str:
        """Folder of the pre-training (stage 4); each loss has its own."""
        loss, config = WAV2VEC2, Path(self.options.pretrain_config)
        if config.is_file():  # where it is needed, its absence is a message
            loss = loss_of(read_yaml(config, "--pretrain_config"))
        return f"{self.options.expdir}/{folder_name(loss)}"

    @property
    def pretrained(self) -> str:
        """Checkpoint from which rows may start; empty if there is none."""
        given = self.options.pretrained
        own = f"{self.pretrain_exp}/latest.pth"
        return given or (own if self.options.pretrain_set else "")

    def training(self, row: str) -> str:
        """Return the folder of a row's training."""
        return f"{self.options.expdir}/dual_{row}_s{self.options.seed}"

    def model_list(self, row: str) -> str:
        """Return the file with the folders of a row's models, one per line."""
        return f"{self.options.expdir}/asr_{row}_s{self.options.seed}.models"

    def recognisers(self) -> list[str]:
        """Return the folders of all models of the recipe."""
        lists = sorted(Path(self.options.expdir).glob("asr_*_s*.models"))
        return [one for file in lists for one in _lines(file)]

    def normalize_options(self) -> list[str]:
        """Return ESPnet's option for the statistics that normalise features."""
        stats_file = f"{self.data.stats}/train/feats_stats.npz"
        return ["--normalize_conf", f"stats_file={stats_file}"]

    def ranks(self) -> list[str]:
        """Return ESPnet's options for GPUs."""
        ngpu = self.options.ngpu
        several = ["--multiprocessing_distributed", "true"] if ngpu > 1 else []
        return ["--ngpu", str(ngpu), *several]


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _pretrain(layout: DualmodeLayout, runner: Runner) -> None:
    options, data = layout.options, layout.data
    audio = f"{data.dump}/{options.pretrain_set}"
    command = runner.python(
        *("dual_mode_ssl_train", "--config", options.pretrain_config),
        *("--output_dir", layout.pretrain_exp, "--seed", "1"),
        *("--fine_tuning_config", options.train_config),
        *maybe("--max_epoch", options.pretrain_epochs),
        *data.set_options("train", options.pretrain_set, text=False),
        *data.set_options("valid", options.valid_set, text=False),
        *("--train_shape_file", f"{audio}/utt2num_samples"),
        *("--valid_shape_file", f"{data.stats}/valid/speech_shape"),
        *(*layout.normalize_options(), *layout.ranks()),
    )
    name = Path(layout.pretrain_exp).name.removeprefix("dual_")
    runner.submit(runner.commands.cuda, name, command)


def _needs_of_pretraining(layout: DualmodeLayout) -> Iterator[Need]:
    yield Need(f"{layout.data.stats}/.done", 3)
    audio = f"{layout.data.dump}/{layout.options.pretrain_set}"
    yield Need(f"{audio}/utt2num_samples", 2)


def _needs_statistics(layout: DualmodeLayout) -> list[Need]:
    return [Need(f"{layout.data.stats}/.done", 3)]


def _train(layout: DualmodeLayout, runner: Runner, rows: Sequence[str]) -> None:
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
    folders = [one for row in rows for one in _lines(Path(layout.model_list(row)))]
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
        # On one node and without GPUs, as in the EncRL family by default.
        data = Layout(replace(layout.data.options, ngpu=0))
        check_environment(data, of_data)
        run_stages(DATA_STAGES, first, last, data, of_data)
    warn_of_newer_data(layout.data)
    _check_machine(layout, runner)
    run_stages(STAGES[len(DATA_STAGES) :], first, last, layout, runner)


def list_dualmode(layout: DualmodeLayout) -> list[str]:
    """Return the lines of the dry run: stages, trainings, and what is finished."""
    own = STAGES[len(DATA_STAGES) :]
    stages: list[StageOf] = [(stage, layout.data) for stage in DATA_STAGES]
    stages += [(stage, layout) for stage in own]
    options = layout.options
    similar = sorted(map(str, Path(options.expdir).glob("dual_*_s*")))
    return stage_lines(stages, options.stage, options.stop_stage, similar)


def _check_machine(layout: DualmodeLayout, runner: Runner) -> None:
    """Check GPUs, versions and free disk space once, before the first training."""
    options = layout.options
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
