"""Cut the sparse sub-network out of a dual-mode encoder."""

from typing import Any, Mapping

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.groups import StructuredGroups
from espnet_plugin.dual_mode.layer import SIZES

__all__ = [
    "blocked_state",
    "extract_streaming",
    "extracted_options",
    "extracted_state",
]


def extract_streaming(
    encoder: DualModeConformerEncoder, streaming_only: bool = True
) -> DualModeConformerEncoder:
    """Return the sub-network as an encoder of its own, without masks.

    Its streaming mode is the masked one of the whole, to rounding. Masked heads, units
    and channels are gone; masked blocks are zeros in tensors as large as before:
    :func:`blocked_state` leaves them out of a file.

    Args:
        encoder: An encoder with or without masks; not changed.
        streaming_only: Also drop the half of the kernels that looks ahead. If kept, the
            sub-network has a full mode, but one that was never trained.

    Raises:
        UserError: If the masks are not binary.
    """
    small = DualModeConformerEncoder(**extracted_options(encoder, streaming_only))
    small.load_state_dict(extracted_state(encoder, streaming_only), strict=True)
    like = encoder.after_norm.weight
    return small.to(like.device, like.dtype).train(encoder.training)


def extracted_options(
    encoder: DualModeConformerEncoder, streaming_only: bool = True
) -> dict[str, Any]:
    """Return the options of the sub-network: ``encoder_conf`` and ``input_size``.

    Sizes become lists, one number a layer.
    """
    layers = encoder.encoders
    left = {}  # by module and place, where something is masked
    for groups, mask in _structured(encoder):
        left[groups.module, groups.place] = int(mask.sum()) * groups.each
    sizes: dict[str, list[int]] = {}
    for part, (option, size) in SIZES.items():
        modules = [getattr(layer, part) for layer in layers]
        if None not in modules:
            sizes[option] = [left.get((m, 0), getattr(m, size)) for m in modules]
    front = [
        left.get((encoder.embed, place), count)
        for place, count in enumerate(encoder.embed.channels)
    ]
    options = {**encoder.options, **sizes, "pruning": None, "mode": "streaming"}
    options["front_channels"] = front
    options["head_width"] = layers[0].self_attn.head_width
    options["streaming_only"] = streaming_only or encoder.options["streaming_only"]
    return options


@torch.no_grad()
def extracted_state(
    encoder: DualModeConformerEncoder, streaming_only: bool = True
) -> dict[str, torch.Tensor]:
    """Return the tensors of the sub-network.

    Raises:
        UserError: If the masks are not binary.
    """
    if encoder.pruner is not None:
        encoder.pruner.check_binary()
    state = {
        name: tensor.detach().clone()
        for name, tensor in encoder.state_dict().items()
        if not name.startswith("pruner.")
    }
    names = {module: name for name, module in encoder.named_modules()}
    if encoder.pruner is not None:
        for _, groups, mask in encoder.pruner.masks():
            groups.cut_out(state, names[groups.module], mask)
    if streaming_only and not encoder.options["streaming_only"]:
        for index, layer in enumerate(encoder.encoders):
            name = f"encoders.{index}.conv_module.depthwise_conv.weight"
            causal = state[name][:, :, : layer.conv_module.reach + 1]
            state[name] = causal.contiguous()
    return state


def blocked_state(
    encoder: DualModeConformerEncoder,
    tensors: Mapping[str, torch.Tensor],
    prefix: str = "",
) -> dict[str, torch.Tensor]:
    """Return tensors without their masked blocks, for a smaller file.

    ``to_dense()`` gives a matrix again, and ``checkpoints.checkpoint.read_checkpoint``
    does so.

    Args:
        encoder: An encoder with final masks of blocks.
        tensors: Tensors of what was cut out of it, by name.
        prefix: Prefix of the encoder's names among them.
    """
    packed = dict(tensors)
    names = {module: name for name, module in encoder.named_modules()}
    for _, groups, _ in encoder.pruner.masks() if encoder.pruner else ():
        if groups.packs:
            name = f"{prefix}{names[groups.module]}.weight"
            packed[name] = groups.pack(packed[name])
    return packed


def _structured(encoder: DualModeConformerEncoder) -> list[tuple]:
    if encoder.pruner is None:
        return []
    return [
        (groups, mask)
        for _, groups, mask in encoder.pruner.masks()
        if isinstance(groups, StructuredGroups)
    ]
