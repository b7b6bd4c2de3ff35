"""Fine-tuning under a pruner, and the plain model that comes out."""

import logging
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch
import yaml

from espnet_plugin.baselines.job import BaselineJob, write_start
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json, write_text
from espnet_plugin.jobs.rendezvous import run_task
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.tasks.ranks import without_ranks

__all__ = ["train_pruned"]


def train_pruned(
    job: BaselineJob,
    size: int,
    pruner: str,
    conf: Mapping[str, Any],
    without: Sequence[str] = (),
    **meta: Any,
) -> Path:
    """Fine-tune the reference to as many weights as a model of ``size`` layers has.

    The training's own files lie in ``train/``; the folder itself is a plain model with
    zeros in it.

    Args:
        job: The baseline.
        size: Layers of the model whose parameter count is the target.
        pruner: Of :data:`espnet_plugin.pruning.model.PRUNERS`.
        conf: Its options.
        without: Sub-modules that stay dense.
        meta: More for ``meta.json``.

    Returns:
        The model's folder.

    Raises:
        UserError: If the target is impossible or was not reached.
    """
    folder = job.folder(size)
    work = folder / "train"
    nonzero = job.reference.params(size)
    dense = work / "dense.pth"
    config = {k: v for k, v in job.reference.config().items() if k != "model"}
    training = {**config, **job.training_of(size)}
    training["best_model_criterion"] = [["valid", "cer_pruned", "min"]]
    training.update(
        pruner=pruner,
        pruner_conf=dict(conf),
        pruner_nonzero=nonzero,
        pruner_without=list(without),
    )
    options = job.options()
    request = {
        "config": training,
        "options": without_ranks(options),
        "reference": job.reference.sha256,
    }
    with training_job(work, request) as todo:
        if todo is not None:
            logging.info("%s: training %s", job.method, folder)
            write_start(job.reference.config(), job.reference.state, dense)
            path = work / "train_config.yaml"
            write_text(
                path, yaml.safe_dump(training, sort_keys=False, allow_unicode=True)
            )
            run_task(
                "espnet_plugin.tasks.pruned:PrunedASRTask",
                [
                    *("--config", str(path), "--output_dir", str(work)),
                    *("--dense_model_file", str(dense), "--resume", "true", *options),
                ],
            )
    if not (folder / "meta.json").is_file():
        state = _plain_average(work, pruner)
        job.write_model(
            folder,
            job.reference.config(),
            state,
            job.meta(size, target_params=nonzero, **meta),
        )
        write_json(folder / "cost.json", read_json(work / "cost.json"))
    job.check_reference(folder)
    return folder


def _plain_average(work: Path, pruner: str) -> dict[str, torch.Tensor]:
    from espnet_plugin.pruning.model import average_final, plain_state

    def epoch(path: Path) -> int:
        return int(path.name.removesuffix("epoch.pth"))

    paths = sorted(work.glob("[0-9]*epoch.pth"), key=epoch)
    try:
        average = average_final([read_checkpoint(path) for path in paths])
    except UserError as error:
        raise UserError(f"{work}: {error}") from error
    return plain_state(pruner, average)
