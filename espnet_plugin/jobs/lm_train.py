"""Trainings of language models: the dense one, compressed ones, and controls."""

import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import file_checksum, read_json
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.jobs.requests import LMRequest
from espnet_plugin.jobs.trainer import LM_TASK
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.lm.record import LMCost, LMRecord, lm_folder
from espnet_plugin.lm.rows import Compression, Control, Further, Row, check_rows
from espnet_plugin.lm.shape import LMShape, check_lm_conf
from espnet_plugin.names import TRANSFORMER_LM

__all__ = [
    "check_job",
    "LMTraining",
    "compress",
    "train_control",
    "train_dense",
    "train_further",
]

_NO_DENSE = "run stage 4, which trains the dense model"

_CRITERION = ["valid", "loss", "min"]
# Sub-folder with the same model as a plain ESPnet model, if its own class is not one.
PLAIN_FOLDER = "plain"


@dataclass(frozen=True)
class LMTraining:
    """What all trainings of a recipe have in common.

    Attributes:
        exp_dir: Folder of all experiments.
        text: Training and development text.
        config: Configuration of the dense model's training.
        fine_tuning: Changes to ``config`` for fine-tuning a compressed model.
        seed: Seed of the training.
        options: Further options of ESPnet.
    """

    exp_dir: Path
    text: LMText
    config: Mapping[str, Any]
    fine_tuning: Mapping[str, Any]
    seed: int
    options: Sequence[str] = ()

    def all_options(self) -> list[str]:
        """Return ESPnet's options for every training."""
        seed = ["--seed", str(self.seed), "--ngpu", "0"]
        return [*seed, *self.text.options(), *self.options]

    def full_config(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a training, with the tokens.

        Args:
            changes: Values that replace those of :attr:`config`.

        Raises:
            UserError: If the model is not a Transformer.
        """
        config = {"best_model_criterion": [_CRITERION], **self.config}
        if config.get("lm") != TRANSFORMER_LM:
            raise UserError(
                f"--config: lm {config.get('lm')}: only Transformer language models "
                f"can be compressed here: write lm: {TRANSFORMER_LM}"
            )
        check_lm_conf(config.get("lm_conf") or {}, "--config: lm_conf")
        return {**config, **self.text.config(), **changes}

    def folder(self, row: str, keep: Optional[float] = None) -> Path:
        """Return the folder of a model; see :func:`lm_folder`."""
        return lm_folder(self.exp_dir, row, self.seed, keep)


def train_dense(job: LMTraining) -> Path:
    """Train the dense model with ESPnet's LM task, unless it is finished.

    Returns:
        Its folder.
    """
    folder = job.folder("dense")
    request = LMRequest(job.full_config({}), job.all_options(), {}, 0, None)
    with trained(folder, Training(LM_TASK, request, job.all_options())) as todo:
        if todo:
            _finish(folder, job, _Made("dense", "dense", keep=1.0))
    return folder


def check_job(job: LMTraining, rows: Mapping[str, Row]) -> None:
    """Check all rows of a call before the first is trained.

    Raises:
        UserError: If the dense model is missing, or see
            :func:`espnet_plugin.lm.rows.check_rows`.
    """
    dense = job.folder("dense")
    LMRecord.read(dense, _NO_DENSE)
    check_rows(
        rows,
        lambda row, keep: LMRecord.is_in(job.folder(row, keep)),
        _shape(dense),
    )


def compress(job: LMTraining, name: str, row: Compression) -> list[Path]:
    """Compress the dense model in one or more steps and fine-tune it after each.

    Finished steps are not repeated.

    Args:
        job: What all trainings have in common.
        name: Name of the row.
        row: Method and steps.

    Returns:
        The folder of each step.

    Raises:
        UserError: If the dense model is missing or cannot have the sizes of the row.
    """
    source = job.folder("dense")
    LMRecord.read(source, _NO_DENSE)
    dense = _shape(source)
    shapes = [row.shape(dense, step) for step in range(len(row.keep))]
    folders = []
    for step, target in enumerate(shapes):
        folder = job.folder(name, row.keep[step])
        _compress_step(job, name, row, step, source, target, folder)
        folders.append(folder)
        source = folder
    return folders


def _compress_step(job, name, row, step, source, target, folder) -> None:
    kind, conf = target.to_conf(job.config.get("lm_conf") or {})
    changes = {**job.fine_tuning, "max_epoch": row.step_epochs(step)}
    config = job.full_config({**changes, "lm": kind, "lm_conf": conf})
    before = LMRecord.read(source)
    digest = file_checksum(source / before.checkpoint)
    request = LMRequest(config, job.all_options(), asdict(row), step, digest)
    start = Experiment(folder).start.model_file

    def cut() -> None:
        # Imported here, because a finished row does not need ESPnet.
        from espnet_plugin.lm.make import make_start

        logging.info("%s: %s at %g", folder, row.method, row.keep[step])
        make_start(source, target, row, job.text.text("train"), start, config)

    options = ["--init_param", str(start)]
    training = Training(LM_TASK, request, job.all_options(), options)
    with trained(folder, training, cut) as todo:
        if todo:
            made = _Made(
                name,
                row.method,
                row.criterion,
                row.schedule,
                row.parts if row.method == "structured" else "",
                row.keep[step],
            )
            _finish(folder, job, made, before.total)


def train_control(job: LMTraining, name: str, row: Control) -> Path:
    """Train a model with the size of a compressed one from random weights.

    It is trained for as many operations as the compressed one, dense model included.

    Args:
        job: What all trainings have in common.
        name: Name of the row.
        row: The control, which names the compressed model.

    Returns:
        Its folder.

    Raises:
        UserError: If the compressed model is not finished.
    """
    like = job.folder(row.like, row.keep)
    record = LMRecord.read(
        like, f"--rows {name}: like {row.like}, keep {row.keep:g}: train that row first"
    )
    shape = _shape(like)
    epochs = equal_epochs(record.total, shape, _epoch_tokens(job.folder("dense")))
    kind, conf = shape.to_conf(job.config.get("lm_conf") or {})
    changes = {"lm": kind, "lm_conf": conf, "max_epoch": epochs}
    request = LMRequest(
        job.full_config(changes), job.all_options(), asdict(row), 0, None
    )
    folder = job.folder(name, row.keep)
    logging.info("%s: %d epochs from random weights", folder, epochs)
    with trained(folder, Training(LM_TASK, request, job.all_options())) as todo:
        if todo:
            _finish(folder, job, _Made(name, "scratch", keep=row.keep))
    return folder


def train_further(job: LMTraining, name: str, row: Further) -> Path:
    """Train the dense model further, like a compressed one but without compression.

    Args:
        job: What all trainings have in common.
        name: Name of the row.
        row: The number of epochs.

    Returns:
        Its folder.

    Raises:
        UserError: If the dense model is missing.
    """
    source, folder = job.folder("dense"), job.folder(name)
    before = LMRecord.read(source, _NO_DENSE)
    start = source / before.checkpoint
    config = job.full_config({**job.fine_tuning, "max_epoch": row.epochs})
    digest = file_checksum(start)
    request = LMRequest(config, job.all_options(), asdict(row), 0, digest)
    options = ["--init_param", str(start)]
    with trained(
        folder, Training(LM_TASK, request, job.all_options(), options)
    ) as todo:
        if todo:
            _finish(folder, job, _Made(name, "further"), before.total)
    return folder


def equal_epochs(total: LMCost, shape: LMShape, epoch_tokens: int) -> int:
    """Return the epochs in which a model takes as many operations, rounded up.

    Args:
        total: Cost to match.
        shape: Shape of the model.
        epoch_tokens: Number of tokens in an epoch.
    """
    return max(1, math.ceil(total.operations / (shape.operations * epoch_tokens)))


@dataclass(frozen=True)
class _Made:
    row: str
    method: str
    criterion: str = ""
    schedule: str = ""
    parts: str = ""
    keep: float = 1.0


def _finish(
    folder: Path, job: LMTraining, made: _Made, before: Optional[LMCost] = None
) -> None:
    """Write ``lm.json``, and a plain ESPnet model if the model is not one itself."""
    from espnet_plugin.lm.load import load_lm
    from espnet_plugin.lm.make import write_plain
    from espnet_plugin.measure.parameters import count_parameters

    checkpoint = Experiment(folder).averaged_file(_CRITERION[1])
    loaded = load_lm(folder, checkpoint)
    if not loaded.shape.is_plain:
        write_plain(loaded, folder / PLAIN_FOLDER)
    tokens, seconds = _read_cost(folder)
    own = LMCost(loaded.shape.operations * tokens, tokens, seconds)
    LMRecord(
        **asdict(made),
        seed=job.seed,
        plain=loaded.shape.is_plain,
        checkpoint=checkpoint.name,
        parameters=count_parameters(loaded.model)["total"],
        own=own,
        total=own if before is None else before + own,
    ).write(folder)


def _read_cost(folder: Path) -> tuple[int, float]:
    cost = read_json(Experiment(folder).cost_file)
    return int(cost["tokens"]), float(cost["cpu_seconds"])


def _epoch_tokens(folder: Path) -> int:
    cost = read_json(Experiment(folder).cost_file)
    return int(cost["per_epoch"][0]["tokens"])


def _shape(folder: Path) -> LMShape:
    from espnet_plugin.lm.load import read_lm_config

    config = read_lm_config(Experiment(folder).config_file)
    return LMShape.from_conf(config.get("lm_conf") or {}, len(config["token_list"]))
