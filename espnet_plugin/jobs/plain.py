"""Train plain ESPnet models: the reference, fine-tuned students, baselines."""

import logging
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.checkpoint import OF_DECODERS
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


def averaged_file(
    folder: Path, config: Mapping[str, Any], ctc_alone: bool = False
) -> Path:
    """Return the checkpoint that a training writes at its end: the mean of its best
    epochs.

    Args:
        folder: Folder of the training.
        config: Its configuration. Of several criteria on the development set, CTC's
            character error rate is used, otherwise the first one that the model has.
        ctc_alone: Whether the model has no attention decoder. The configuration may
            say so as well, by a ``ctc_weight`` of 1.

    Raises:
        UserError: If no criterion uses the development set, or all need an attention
            decoder that the model does not have.
    """
    criteria = config.get("best_model_criterion") or [_CRITERION]
    dev = [name for phase, name, *_ in criteria if phase == "valid"]
    ctc_alone |= (config.get("model_conf") or {}).get("ctc_weight") == 1.0
    if dev and ctc_alone:
        dev = [name for name in dev if name not in OF_DECODERS]
        if not dev:
            raise UserError(
                f"best_model_criterion {criteria}: needs an attention decoder, but the "
                f"model is trained with CTC alone (ctc_weight 1.0): use {_CRITERION}"
            )
    if not dev:
        raise UserError(
            f"best_model_criterion {criteria}: no criterion uses the dev set, on which "
            f"epochs are chosen: add {_CRITERION}"
        )
    return Experiment(folder).averaged_file("cer_ctc" if "cer_ctc" in dev else dev[0])


def train_plain_model(
    folder: Path,
    config: Mapping[str, Any],
    options: Sequence[str],
    meta: Meta,
    init: Optional[Path] = None,
) -> None:
    """Train a stock model with ESPnet's ASR task, unless it is finished.

    Args:
        folder: The experiment folder; receives ``config.yaml``, checkpoints,
            ``cost.json``, ``train.log``, curves and ``meta.json``.
        config: Configuration, as in a YAML file.
        options: Further options of ESPnet (data, seed), which override ``config``.
        meta: Description for ``meta.json``; sizes are added.
        init: Checkpoint to start from, whose tensors must fit the model exactly; None:
            random weights.

    Raises:
        UserError: If ``folder`` holds a different training, the disk is full, or no
            criterion uses the development set.
    """
    experiment, averaged = Experiment(folder), averaged_file(folder, config)
    # ESPnet's default criterion is the accuracy of a decoder, which CTC does not have.
    config = {"best_model_criterion": [_CRITERION], **config}
    if not is_first(options):
        # It is written after everything else that the first process prepares.
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
    """Train a plain model from given weights, unless it is finished.

    Args:
        folder: The experiment folder.
        start_config: Configuration of the model that has the initial weights.
        state: Function that returns these weights; it is not called for a finished
            training.
        config: Configuration of the training and of the model.
        options: Further options of ESPnet (data, seed), which override ``config``.
        meta: See :func:`train_plain_model`.

    Raises:
        UserError: If the tensors do not fit ``start_config``; see also
            :func:`train_plain_model`.
    """
    experiment = Experiment(folder)
    # Only the first of several processes writes it.
    if is_first(options) and not experiment.is_finished:
        write_start(experiment, start_config, state())
    logging.info("fine-tuning in %s", folder)
    train_plain_model(folder, config, options, meta, experiment.start.model_file)


def _leave_stock_keys(experiment: Experiment) -> None:
    """Remove this plugin's options from the configuration of a finished stock model."""
    config = experiment.config()
    stock = {key: value for key, value in config.items() if key not in OWN_OPTIONS}
    if len(stock) < len(config):
        write_yaml(experiment.config_file, stock)
