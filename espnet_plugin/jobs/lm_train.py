"""Trainings of language models: the dense one, smaller ones of it, and controls."""

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
from espnet_plugin.lm.record import Cost, LMRecord
from espnet_plugin.lm.rows import Compression, Control, Further
from espnet_plugin.lm.shape import Shape
from espnet_plugin.names import TRANSFORMER_LM

__all__ = [
    "LMTraining",
    "compress",
    "lm_folder",
    "train_control",
    "train_dense",
    "train_further",
]

_CRITERION = ["valid", "loss", "min"]
# Beside the model: the same as a plain ESPnet model, where its own class has no such.
PLAIN_FOLDER = "plain"


@dataclass(frozen=True)
class LMTraining:
    """What all trainings of a recipe share.

    Attributes:
        exp_dir: Folder of all experiments.
        text: What they are trained on.
        config: Configuration of the dense model's training.
        fine_tuning: Keys that are other when a cut model is trained further.
        seed: Seed of the training.
        options: More of ESPnet's options.
    """

    exp_dir: Path
    text: LMText
    config: Mapping[str, Any]
    fine_tuning: Mapping[str, Any]
    seed: int
    options: Sequence[str] = ()

    def all_options(self) -> list[str]:
        """Return ESPnet's options of every training."""
        seed = ["--seed", str(self.seed), "--ngpu", "0"]
        return [*seed, *self.text.options(), *self.options]

    def full_config(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration with the tokens, and with changes.

        Raises:
            UserError: If it is not that of a Transformer.
        """
        config = {"best_model_criterion": [_CRITERION], **self.config}
        if config.get("lm") != TRANSFORMER_LM:
            raise UserError(
                f"--config: lm {config.get('lm')}: only Transformer language models "
                f"can be compressed here; write lm: {TRANSFORMER_LM}"
            )
        return {**config, **self.text.config(), **changes}

    def folder(self, row: str, keep: Optional[float] = None) -> Path:
        """Return the folder of a model."""
        return lm_folder(self.exp_dir, row, self.seed, keep)


def lm_folder(exp_dir: Path, row: str, seed: int, keep: Optional[float] = None) -> Path:
    """Return the folder of a model: ``lm_<row>[_k<percent>]_s<seed>``."""
    share = "" if keep is None else f"_k{100 * keep:g}"
    return Path(exp_dir) / f"lm_{row}{share}_s{seed}"


def train_dense(job: LMTraining) -> Path:
    """Train the large model with ESPnet's LM task; nothing is done twice."""
    folder = job.folder("dense")
    request = LMRequest(job.full_config({}), job.all_options(), {}, 0, None)
    with trained(folder, Training(LM_TASK, request, job.all_options())) as todo:
        if todo:
            _finish(folder, job, _Made("dense", "dense", keep=1.0))
    return folder


def compress(job: LMTraining, name: str, row: Compression) -> list[Path]:
    """Make a row's models of the dense one, step by step; nothing is done twice.

    Args:
        job: The trainings.
        name: Name of the row.
        row: What to do.

    Returns:
        The folder of each step.

    Raises:
        UserError: If the dense model is missing or the sizes do not fit it.
    """
    source = job.folder("dense")
    LMRecord.read(source, "run stage 4, which trains the dense model")
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
        # Here, because a finished row needs none of ESPnet.
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
    """Train a model of another's size from random weights, for as many operations.

    Args:
        job: The trainings.
        name: Name of the row.
        row: The control.

    Raises:
        UserError: If the model that it is like is not finished.
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
    """Train the dense model further, as one that was cut is; nothing is done twice.

    Raises:
        UserError: If the dense model is missing.
    """
    source, folder = job.folder("dense"), job.folder(name)
    before = LMRecord.read(source, "run stage 4, which trains the dense model")
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


def equal_epochs(total: Cost, shape: Shape, epoch_tokens: int) -> int:
    """Return the epochs of a model that take as many operations, rounded up."""
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
    folder: Path, job: LMTraining, made: _Made, before: Optional[Cost] = None
) -> None:
    """Write ``lm.json``, and a plain model beside one that is not of ESPnet's class."""
    from espnet_plugin.lm.load import load_lm
    from espnet_plugin.lm.make import write_plain
    from espnet_plugin.measure.parameters import count_parameters

    checkpoint = Experiment(folder).averaged_file(_CRITERION[1])
    loaded = load_lm(folder, checkpoint)
    if not loaded.shape.is_plain:
        write_plain(loaded, folder / PLAIN_FOLDER)
    tokens, seconds = _read_cost(folder)
    own = Cost(loaded.shape.operations * tokens, tokens, seconds)
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


def _shape(folder: Path) -> Shape:
    from espnet_plugin.lm.load import read_lm_config

    config = read_lm_config(Experiment(folder).config_file)
    return Shape.from_conf(config.get("lm_conf") or {}, len(config["token_list"]))
