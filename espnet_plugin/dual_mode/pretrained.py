"""Starting the fine-tuning from a pre-trained encoder, tensor by tensor."""

from pathlib import Path
from typing import Any, Iterable, Mapping, Union

import torch

from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import load_state
from espnet_plugin.errors import UserError

__all__ = ["MASKS", "check_same_encoder", "init_param", "load_pretrained_encoder"]

# What becomes of the masks: found anew from the pre-trained weights, by the schedule of
# the fine-tuning; or kept, with the place where their schedule was.
MASKS = ("restart", "keep")
_ENCODER, _PRUNER = "encoder", "pruner"


def init_param(checkpoint: Union[str, Path], masks: str = "restart") -> str:
    """Return the value of ESPnet's ``--init_param`` for an ASR model.

    ESPnet says nothing of tensors that the checkpoint lacks:
    :func:`load_pretrained_encoder` does.

    Args:
        checkpoint: Checkpoint of the SSL model.
        masks: One of ``MASKS``.

    Raises:
        UserError: If ``masks`` is unknown, or the path has a colon, which separates the
            parts of the option.
    """
    _check(masks)
    if ":" in str(checkpoint):
        raise UserError(
            f"{checkpoint}: --init_param does not accept a path with a colon"
        )
    value = f"{checkpoint}:{_ENCODER}:{_ENCODER}"
    return f"{value}:{_ENCODER}.{_PRUNER}." if masks == "restart" else value


def load_pretrained_encoder(
    encoder: torch.nn.Module, checkpoint: Union[str, Path], masks: str = "restart"
) -> None:
    """Fill a dual-mode encoder from a checkpoint of the SSL model.

    Front end of the network and every layer must be there, of the same shape, and
    nothing else; not so the feature statistics, which are no part of the encoder.

    Args:
        encoder: Encoder of the ASR model.
        checkpoint: Checkpoint of the SSL model.
        masks: ``restart``: the encoder's own masks and schedule stay as they are, and
            either side may lack them; ``keep``: they come from the checkpoint.

    Raises:
        UserError: If the checkpoint cannot be read or does not fit, or masks that are
            kept are final and not of the sparsity that the encoder's options want.
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
    """Refuse a pre-training whose encoder the fine-tuning could not start from.

    Args:
        pretraining: Configuration of the pre-training.
        fine_tuning: Configuration of the fine-tuning.
        options: Names of the options of ``encoder_conf`` that shape the encoder.

    Raises:
        UserError: If one of these is another, or what makes the features.
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
    # Of all layers together: a global scope may spread them in another way.
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
