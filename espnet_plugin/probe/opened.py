"""Open recognisers, of one mode or two, whose weights are not changed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import torch

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.load import check_final_masks
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.probe.layers import freeze

__all__ = ["OpenedModel", "open_model"]


@dataclass(frozen=True)
class OpenedModel:
    """A loaded recogniser without gradients, in evaluation mode.

    Attributes:
        folder: Its experiment folder.
        checkpoint: Its checkpoint.
        model: The model.
        train_args: Its training arguments.
        modes: The chosen modes, or all it was trained for.
    """

    folder: Path
    checkpoint: Path
    model: Any
    train_args: Any
    modes: tuple[str, ...]


def open_model(folder: Path, modes: Sequence[str] = ()) -> OpenedModel:
    """Load a recogniser; of a supernet, the average of epochs with final masks.

    Args:
        folder: Experiment folder.
        modes: The wanted modes; if empty, all for which it was trained.

    Raises:
        UserError: If the folder has no such model, it does not have the mode, or its
            masks are not final.
    """
    experiment = Experiment(folder)
    checkpoint = experiment.final_masks_file
    if not checkpoint.is_file():
        checkpoint = experiment.checkpoint()
    model, train_args = load_asr_model(experiment.config_file, checkpoint)
    freeze(model, str(folder))
    known = _modes(model.encoder, experiment.find_meta())
    for mode in modes:
        if mode not in known:
            raise UserError(
                f"--modes {mode}: {folder} was only trained for {' and '.join(known)}"
            )
    check_final_masks(model, checkpoint)
    return OpenedModel(folder, checkpoint, model, train_args, tuple(modes) or known)


def _modes(encoder: torch.nn.Module, meta: Optional[Meta]) -> tuple[str, ...]:
    """Return the modes that a recogniser was trained for."""
    if not isinstance(encoder, DualModeConformerEncoder):
        return ("full",)
    meta = meta or Meta()
    return meta.modes or (meta.mode or encoder.mode,)
