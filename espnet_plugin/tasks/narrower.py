"""Cut a reference to the width of its student, as the student's start."""

import argparse
from typing import Any, Mapping

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.width import narrow_conformer, why_not_narrowed

__all__ = ["narrow_reference"]

# Prefixes of the tensors that a CTC model with the same encoder has.
_KEPT = ("frontend.", "normalize.", "encoder.", "ctc.")


def narrow_reference(
    state: Mapping[str, torch.Tensor],
    reference: argparse.Namespace,
    encoder_conf: Mapping[str, Any],
    asked: str,
) -> dict[str, torch.Tensor]:
    """Return the reference's tensors with only the most important channels.

    Args:
        state: Tensors of the reference; those of a decoder are left out.
        reference: Training configuration of the reference.
        encoder_conf: Options of the student's encoder: width, heads and feed-forward
        units.
        asked: Option that selects the reference's layers, for messages.

    Raises:
        UserError: If the encoder type cannot be narrowed, or the student has a
            different number of heads or more feed-forward units.
    """
    heads = reference.encoder_conf.get("attention_heads", 4)
    width, units = encoder_conf["output_size"], encoder_conf["linear_units"]
    why_not = why_not_narrowed(reference.encoder, reference.encoder_conf)
    if why_not is None and encoder_conf.get("attention_heads", 4) != heads:
        why_not = f"the student has other attention heads than the reference's {heads}"
    if why_not is not None:
        raise UserError(
            f"{asked}: the reference's layers cannot be cut to the student's width "
            f"{width}, because {why_not}: use --student_init random (--shape_init "
            "random in a recipe)"
        )
    kept = {name: value for name, value in state.items() if name.startswith(_KEPT)}
    try:
        return narrow_conformer(kept, heads, width, units)
    except UserError as error:
        raise UserError(f"{asked} with width {width}: {error}") from error
