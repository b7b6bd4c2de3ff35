"""Initialise fine-tuning with a pre-trained encoder."""

from pathlib import Path
from typing import Any, Iterable, Mapping, Union

import torch

from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import load_state
from espnet_plugin.errors import UserError

__all__ = ["MASKS", "check_same_encoder", "init_param", "load_pretrained_encoder"]

# Treatment of the masks: computed again from the pre-trained weights by the schedule of
# the fine-tuning; or kept, with the position in their schedule.
MASKS = ("restart", "keep")
_ENCODER, _PRUNER = "encoder", "pruner"


def init_param(checkpoint: Union[str, Path], masks: str = "restart") -> str:
    """Return the value of ESPnet's ``--init_param`` for an ASR model.

    ESPnet silently ignores tensors that are missing in the checkpoint;
    :func:`load_pretrained_encoder` does not.

    Args:
        checkpoint: Checkpoint of the SSL model.
        masks: A name of ``MASKS``.

    Raises:
        UserError: If ``masks`` is unknown, or the path has a colon, which separates the
            parts of the option.
    """
    _check(masks)
    if ":" in str(checkpoint):
        raise UserError(
            f"{checkpoint}: --init_param does not accept a path with a colon: rename it"
        )
    value = f"{checkpoint}:{_ENCODER}:{_ENCODER}"
    return f"{value}:{_ENCODER}.{_PRUNER}." if masks == "restart" else value


def load_pretrained_encoder(
    encoder: torch.nn.Module, checkpoint: Union[str, Path], masks: str = "restart"
) -> None:
    """Load a dual-mode encoder from a checkpoint of the SSL model.

    The checkpoint must have exactly the encoder's tensors (sub-sampling and layers)
    with the same shapes. Feature statistics are not part of the encoder.

    Args:
        encoder: Encoder of the ASR model.
        checkpoint: Checkpoint of the SSL model.
        masks: ``restart``: the masks and schedule of the encoder are not changed, and
            either side may have none; ``keep``: they are loaded from the checkpoint.

    Raises:
        UserError: If the checkpoint cannot be read or does not fit, or final masks are
            kept that do not have the sparsity of the encoder's options.
    """
    _check(masks)
    prefix = f"{_ENCODER}."
    state = {
        name[len(prefix) :]: value
        for name, value in read_checkpoint(checkpoint).items()
        if name.startswith(prefix)
    }
    if masks == "restart":
        own = encoder.state_dict()
        state = {k: v for k, v in state.items() if not k.startswith(f"{_PRUNER}.")}
        state.update({k: v for k, v in own.items() if k.startswith(f"{_PRUNER}.")})
    load_state(encoder, state, checkpoint)
    if masks == "keep" and encoder.pruner is not None and encoder.pruner.frozen:
        _check_sparsity(encoder.pruner, checkpoint)


def check_same_encoder(
    pretraining: Mapping[str, Any],
    fine_tuning: Mapping[str, Any],
    options: Iterable[str],
) -> None:
    """Check that a fine-tuning can start from the encoder of a pre-training.

    Args:
        pretraining: Configuration of the pre-training.
        fine_tuning: Configuration of the fine-tuning.
        options: Options in ``encoder_conf`` that determine the encoder's shape.

    Raises:
        UserError: If one of these options or the front end differs.
    """
    pairs = {
        f"encoder_conf.{name}": [
            (config.get("encoder_conf") or {}).get(name)
            for config in (pretraining, fine_tuning)
        ]
        for name in options
    }
    for name in ("frontend", "frontend_conf"):
        pairs[name] = [config.get(name) for config in (pretraining, fine_tuning)]
    for name, (here, there) in pairs.items():
        if here != there:
            raise UserError(
                f"{name} is {here} in the pre-training's configuration and {there} in "
                "the fine-tuning's, so the fine-tuning cannot start from it: make "
                "them equal"
            )


def _check_sparsity(pruner, checkpoint: Union[str, Path]) -> None:
    found = pruner.counts()
    kept = [(mask, mask.clone()) for _, _, mask in pruner.masks()]
    pruner.set_sparsity(1.0)
    wanted = pruner.counts()
    for mask, before in kept:
        mask.copy_(before)
    # Summed over layers, because a global scope may distribute them differently.
    for kind, counts in wanted.items():
        have, want = (sum(n for n, _ in c) for c in (found[kind], counts))
        if have != want:
            raise UserError(
                f"{checkpoint}: its final masks keep {have} {kind}, but "
                f"pruning.sparsity needs {want}: use the sparsity of the "
                "pre-training, or masks: restart"
            )


def _check(masks: str) -> None:
    if masks not in MASKS:
        raise UserError(f"masks {masks!r}: must be one of {', '.join(MASKS)}")
