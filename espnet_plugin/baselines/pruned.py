"""Fine-tune with a pruner and write the result as a plain model."""

from pathlib import Path
from typing import Any, Mapping, Sequence

import torch

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.jobs.models import write_start
from espnet_plugin.jobs.requests import DistillationRequest
from espnet_plugin.jobs.trainer import PRUNED_TASK
from espnet_plugin.jobs.training import Training
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
    """Prune the reference to the number of weights of a model with ``size`` layers.

    The files of the training are in ``train/`` in the model's folder, which itself is a
    plain model with some weights set to zero.

    Args:
        job: The baseline.
        size: Number of layers of the model whose number of parameters is the target.
        pruner: Name in :data:`espnet_plugin.pruning.model.PRUNERS`.
        conf: Options of the pruner.
        without: Sub-modules that stay dense.
        meta: Further fields for ``meta.json``.

    Returns:
        Folder of the model.

    Raises:
        UserError: If the target is impossible or is not reached.
    """
    nonzero = job.reference.params(size)
    config = {k: v for k, v in job.reference.config().items() if k != "model"}
    config.update(job.training_of(size))
    config["best_model_criterion"] = [["valid", "cer_pruned", "min"]]
    config.update(
        pruner=pruner,
        pruner_conf=dict(conf),
        pruner_nonzero=nonzero,
        pruner_without=list(without),
    )
    options = job.options()
    request = DistillationRequest(config, without_ranks(options), job.reference.sha256)
    dense = Experiment(job.folder(size)).work.start.model_file
    return job.train_and_export(
        size,
        Training(PRUNED_TASK, request, options, ("--dense_model_file", str(dense))),
        lambda work: (job.reference.config(), _plain_average(work, pruner)),
        lambda work: write_start(work, job.reference.config(), job.reference.state),
        target_params=nonzero,
        **meta,
    )


def _plain_average(work: Experiment, pruner: str) -> dict[str, torch.Tensor]:
    from espnet_plugin.pruning.model import average_final, plain_state

    try:
        average = average_final([read_checkpoint(p) for p in work.epoch_files()])
    except UserError as error:
        raise UserError(f"{work.folder}: {error}") from error
    return plain_state(pruner, average)
