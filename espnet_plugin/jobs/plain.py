"""Training plain ESPnet models: the reference, fine-tuned students, baselines."""

import logging
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import file_checksum
from espnet_plugin.jobs.models import describe_model, write_start
from espnet_plugin.jobs.requests import PlainRequest
from espnet_plugin.jobs.trainer import PLAIN_TASK
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.names import OWN_OPTIONS
from espnet_plugin.tasks.ranks import is_first, wait_for, without_ranks
from espnet_plugin.yaml_files import write_yaml

__all__ = ["averaged_file", "fine_tune", "train_plain_model"]

_CRITERION = ["valid", "cer_ctc", "min"]


def averaged_file(folder: Path, config: Mapping[str, Any]) -> Path:
    """Return the checkpoint that a training leaves: the mean of its best epochs.

    Args:
        folder: The training's folder.
        config: Its configuration. Of several criteria on the dev set that of CTC's
            character errors counts, else the first one.

    Raises:
        UserError: If no criterion is on the dev set.
    """
    criteria = config.get("best_model_criterion") or [_CRITERION]
    dev = [name for phase, name, *_ in criteria if phase == "valid"]
    if not dev:
        raise UserError(
            f"best_model_criterion {criteria}: none of them uses the dev set, on "
            f"which epochs are chosen: add {_CRITERION}"
        )
    return Experiment(folder).averaged_file("cer_ctc" if "cer_ctc" in dev else dev[0])


def train_plain_model(
    folder: Path,
    config: Mapping[str, Any],
    options: Sequence[str],
    meta: Meta,
    init: Optional[Path] = None,
) -> None:
    """Train a stock model with ESPnet's ASR task; nothing is done twice.

    Args:
        folder: The experiment folder; gets ``config.yaml``, checkpoints, ``cost.json``,
            ``train.log``, curves and ``meta.json``.
        config: Configuration, as a YAML file would hold it.
        options: More of ESPnet's options (data, seed), which win over ``config``.
        meta: What ``meta.json`` says besides what is found out here.
        init: Checkpoint to start from; it must fit exactly.

    Raises:
        UserError: If ``folder`` holds another training, the disk is full, or no epoch
            could be chosen on dev.
    """
    experiment, averaged = Experiment(folder), averaged_file(folder, config)
    # ESPnet's own default asks for the accuracy of a decoder, which CTC does not have.
    config = {"best_model_criterion": [_CRITERION], **config}
    if not is_first(options):
        # By then everything that the first process prepares is there.
        wait_for(experiment.train_config_file)
    request = PlainRequest(
        config, without_ranks(options), "None" if init is None else file_checksum(init)
    )
    start = () if init is None else ("--init_param", str(init))
    with trained(folder, Training(PLAIN_TASK, request, options, start)) as unfinished:
        if unfinished:
            _leave_stock_keys(experiment)
            describe_model(experiment, averaged, meta)


def fine_tune(
    folder: Path,
    start_config: Mapping[str, Any],
    state: Callable[[], Mapping[str, torch.Tensor]],
    config: Mapping[str, Any],
    options: Sequence[str],
    meta: Meta,
) -> None:
    """Train a plain model from given weights; nothing is done twice.

    Args:
        folder: The experiment folder.
        start_config: Configuration of the model that the weights are of.
        state: Returns its tensors; called only where the training is not finished.
        config: Configuration of the training, with that of the model.
        options: More of ESPnet's options (data, seed), which win over ``config``.
        meta: See :func:`train_plain_model`.

    Raises:
        UserError: If the tensors do not fit, and as :func:`train_plain_model`.
    """
    experiment = Experiment(folder)
    # Of several processes the first writes it.
    if is_first(options) and not experiment.is_finished:
        write_start(experiment, start_config, state())
    logging.info("fine-tuning in %s", folder)
    train_plain_model(folder, config, options, meta, experiment.start.model_file)


def _leave_stock_keys(experiment: Experiment) -> None:
    """Take our options out of a finished model's configuration: it is a stock model."""
    config = experiment.config()
    stock = {key: value for key, value in config.items() if key not in OWN_OPTIONS}
    if len(stock) < len(config):
        write_yaml(experiment.config_file, stock)
