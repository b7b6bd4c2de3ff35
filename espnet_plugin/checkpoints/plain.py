"""Make plain ESPnet models with a number of layers from an EncRL run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

import torch

from espnet_plugin.checkpoints.encrl_options import (
    CONFIGURED,
    DERIVED,
    NAMED,
    TRAINING_TENSORS,
)
from espnet_plugin.checkpoints.layers import keep_layer_settings, keep_layers
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.yaml_files import write_yaml

if TYPE_CHECKING:
    from espnet2.asr.espnet_model import ESPnetASRModel

__all__ = [
    "config_with_exits",
    "plain_config",
    "plain_state",
    "save_state",
    "write_model_files",
]

# Of config.yaml, what makes the model and its tokens; the rest is how it was trained.
ARCHITECTURE = (
    "token_list", "token_type", "bpemodel", "non_linguistic_symbols", "cleaner", "g2p",
    "input_size", "ctc_conf", "use_preprocessor", "preprocessor", "preprocessor_conf",
    "frontend", "frontend_conf", "specaug", "specaug_conf", "normalize",
    "normalize_conf", "preencoder", "preencoder_conf", "encoder", "encoder_conf",
    "postencoder", "postencoder_conf", "decoder", "decoder_conf", "model_conf",
)  # fmt: skip
_OURS = (*CONFIGURED, *DERIVED, *NAMED)


def plain_config(config: dict, layers: Union[int, Sequence[int]]) -> dict:
    """Return the part of an EncRL configuration that stock ESPnet supports.

    Args:
        config: ``config.yaml`` of an EncRL run (or of a plain CTC model).
        layers: Encoder layers that are kept, counted from 0, or the number of first
            layers that are kept.
    """
    if isinstance(layers, int):
        layers = range(layers)
    plain = {name: config[name] for name in ARCHITECTURE if name in config}
    plain["model"] = "espnet"
    plain["model_conf"] = {
        k: v for k, v in (config.get("model_conf") or {}).items() if k not in _OURS
    }
    plain["encoder_conf"] = keep_layer_settings(config["encoder_conf"], layers)
    # Exits were for training; a model that keeps them only computes more.
    plain["encoder_conf"].pop("interctc_layer_idx", None)
    # Nothing is left to initialise, and stock loading would waste time on it.
    plain["init"] = None
    return plain


def config_with_exits(
    config: dict, sizes: Sequence[int], weight: Optional[float] = None
) -> dict:
    """Return a plain configuration that trains all sizes in the same steps.

    CTC is trained after the last layer of every size (ESPnet's intermediate CTC), so
    that a smaller model is the first layers of a larger one.

    - [0] Intermediate Loss Regularization for CTC-based Speech Recognition, 2021,
      https://arxiv.org/abs/2102.03216; as exits: Training early-exit architectures for
      automatic speech recognition, 2023, https://arxiv.org/abs/2309.09546.

    Args:
        config: Configuration of a model of the largest size.
        sizes: Numbers of layers; a single one is trained without exits.
        weight: Weight of the intermediate losses, 0 to 1; the rest is the weight of the
            last layer's loss. None: all sizes have equal weights.
    """
    exits = sorted(sizes)[:-1]
    if not exits:
        return config
    # ESPnet weighs the last layer's loss against the mean of the others.
    share = len(exits) / len(sizes) if weight is None else weight
    return {
        **config,
        "encoder_conf": {**config["encoder_conf"], "interctc_layer_idx": exits},
        "model_conf": {**config["model_conf"], "interctc_weight": share},
    }


def plain_state(checkpoint: Path, layers: Sequence[int]) -> dict[str, torch.Tensor]:
    """Return the stock tensors of an EncRL checkpoint, with only ``layers``.

    Raises:
        UserError: If the file cannot be read.
    """
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(
            f"{checkpoint} is missing: run stage 5 (EncRL) first"
        ) from error
    except Exception as error:  # torch raises many kinds for a broken file
        raise UserError(
            f"{checkpoint} cannot be read ({error}): delete it and run stage 5 again"
        ) from error
    stock = {k: v for k, v in state.items() if not k.startswith(TRAINING_TENSORS)}
    return keep_layers(stock, layers)


def save_state(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write a checkpoint completely or not at all.

    Raises:
        UserError: If the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        torch.save(state, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {path}: {error}. Free some space and run the stage again; "
            "existing files were not changed."
        ) from error


def write_model_files(
    config: Mapping[str, Any], state: Mapping[str, torch.Tensor], path: Path
) -> tuple[ESPnetASRModel, argparse.Namespace]:
    """Write the tensors of a model and its ``config.yaml`` into the same folder.

    Args:
        config: Configuration of the model, with paths that are valid from the current
            folder.
        state: Its tensors.
        path: Path of the checkpoint.

    Returns:
        The model, which is loaded again as a check, and its arguments.

    Raises:
        UserError: If the files cannot be written, or the tensors are not exactly those
            of the model.
    """
    # Cloned, because a part of a tensor is saved with the whole of it.
    save_state({name: value.clone() for name, value in state.items()}, path)
    config_file = Experiment(path.parent).config_file
    write_yaml(config_file, config)
    return load_asr_model(config_file, path, "cpu")
