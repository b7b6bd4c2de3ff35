"""Write finished plain ESPnet models and their descriptions."""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

import torch

from espnet_plugin.checkpoints.depth import encoder_depth
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.checkpoints.plain import write_model_files
from espnet_plugin.cost.log import write_no_cost
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import locked, read_json, write_json
from espnet_plugin.jobs.training_job import training_job

__all__ = ["PlainModel", "describe_model", "export_once", "write_model", "write_start"]


@dataclass(frozen=True)
class PlainModel:
    """A model that stock ESPnet can load.

    Attributes:
        config: Configuration, with paths that are valid from the current folder.
        state: Tensors by name.
        meta: Description for ``meta.json``; sizes are added when it is written.
    """

    config: Mapping[str, Any]
    state: Mapping[str, torch.Tensor]
    meta: Meta


def write_start(
    experiment: Experiment,
    config: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
) -> Path:
    """Write the model from which the training in a folder starts.

    Args:
        experiment: The folder of the training.
        config: Configuration of the model.
        state: Tensors of the model.

    Returns:
        Its checkpoint, with the configuration in the same folder.

    Raises:
        UserError: If the tensors do not fit the configuration, or the disk is full.
    """
    path = experiment.start.model_file
    write_model_files(config, state, path)
    return path


def write_model(
    experiment: Experiment, model: PlainModel, trained_in: Optional[Experiment] = None
) -> None:
    """Write a finished model: configuration, tensors, cost and ``meta.json``.

    Args:
        experiment: The folder of the model.
        model: The model.
        trained_in: The training whose cost is that of the model; None: no cost in
            addition to that of the models named in ``model.meta``.

    Raises:
        UserError: If the tensors do not fit the configuration, or the disk is full.
    """
    path = experiment.model_file
    loaded, args = write_model_files(model.config, model.state, path)
    if trained_in is None:
        write_no_cost(experiment.folder)
    else:
        write_json(experiment.cost_file, read_json(trained_in.cost_file))
    # Written last: where meta.json exists, all files do.
    experiment.write_meta(_with_sizes(model.meta, loaded, args, path))


def export_once(
    folder: Path, request: Any, make: Callable[[], PlainModel]
) -> Experiment:
    """Write a model that needs no training, unless it exists already.

    A model with different inputs is replaced, because that takes no training, and so is
    one of which a file is missing.

    Args:
        folder: Folder of the model.
        request: Everything that determines the model; see :func:`training_job`.
        make: Function that makes the model.

    Returns:
        The folder.

    Raises:
        UserError: If the folder holds a training, or the model cannot be written.
    """
    experiment = Experiment(folder)
    with training_job(folder, request, again=True) as todo:
        if todo is not None:
            write_model(experiment, make())
        elif not experiment.is_whole_model:
            logging.info("%s is made again, because files of it are missing", folder)
            with locked(folder):
                write_model(experiment, make())
    return experiment


def describe_model(experiment: Experiment, checkpoint: Path, meta: Meta) -> None:
    """Write ``meta.json`` of a model that was trained in its folder.

    Args:
        experiment: The folder, with ESPnet's configuration.
        checkpoint: The checkpoint that is the model.
        meta: Description of the model; its sizes are added here.

    Raises:
        UserError: If the checkpoint is missing or does not fit the configuration.
    """
    model, args = load_asr_model(experiment.config_file, checkpoint, "cpu")
    experiment.write_meta(_with_sizes(meta, model, args, checkpoint))


def _with_sizes(
    meta: Meta, model: torch.nn.Module, args: argparse.Namespace, checkpoint: Path
) -> Meta:
    return meta.but(
        layers=encoder_depth(vars(args)),
        width=model.encoder.output_size(),
        params=sum(p.numel() for p in model.parameters()),
        params_nonzero=sum(int(p.count_nonzero()) for p in model.parameters()),
        checkpoint=checkpoint.name,
    )
