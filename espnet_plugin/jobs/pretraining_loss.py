"""Which loss a pre-training has, and how its folder and its ``meta.json`` name it.

Read without torch or ESPnet, which take many seconds to import.
"""

from pathlib import Path
from typing import Any, Mapping

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.names import WAV2VEC2

__all__ = ["check_pretraining", "folder_name", "loss_of", "method_of"]

_METHOD = "dual_mode_"


def loss_of(config: Mapping[str, Any]) -> str:
    """Return the name of the loss of a pre-training's configuration.

    Raises:
        UserError: If ``loss`` is not a list of mappings with a ``name``.
    """
    losses = config.get("loss")
    if losses is None:
        return WAV2VEC2  # the task's default
    named = isinstance(losses, list) and losses and isinstance(losses[0], Mapping)
    name = losses[0].get("name") if named else None
    if not isinstance(name, str):
        raise UserError(
            f"loss {losses!r}: must be a list with one loss, e.g. `- name: {WAV2VEC2}`"
        )
    return name


def method_of(loss: str) -> str:
    """Return how ``meta.json`` names a pre-training with this loss."""
    return f"{_METHOD}{loss}"


def folder_name(loss: str) -> str:
    """Return the name of a recipe's folder for the pre-training with this loss."""
    # The first loss that there was; its folders exist.
    return "dual_pretrain" if loss == WAV2VEC2 else f"dual_pretrain_{loss}"


def check_pretraining(checkpoint: Path, loss: str, row: str) -> None:
    """Refuse a pre-training with another loss than the one that a row names.

    A checkpoint whose folder does not say which loss it had is accepted.

    Args:
        checkpoint: Checkpoint of the pre-training.
        loss: Name of the loss.
        row: Name of the row, for the message.

    Raises:
        UserError: If the folder names another loss.
    """
    meta = Experiment(checkpoint.parent).find_meta()
    method = meta.method if meta is not None else None
    if method is None or not method.startswith(_METHOD) or method == method_of(loss):
        return
    given = method.removeprefix(_METHOD)
    raise UserError(
        f"--pretrained {checkpoint}: was pre-trained with {given}, but the row {row} "
        f"starts from {loss}: give a checkpoint of that pre-training (in a recipe: "
        f"--pretrain_config conf/dualmode/pretrain_{loss}.yaml), or another row"
    )
