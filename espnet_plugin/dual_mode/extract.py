"""Cut the sparse sub-network out of a dual-mode encoder."""

from typing import Any, Mapping

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.groups import StructuredGroups

__all__ = [
    "blocked_bytes",
    "extract_streaming",
    "extracted_options",
    "extracted_state",
]

_INDEX_BYTES = 4  # the number of a block within its matrix


def extract_streaming(
    encoder: DualModeConformerEncoder, streaming_only: bool = True
) -> DualModeConformerEncoder:
    """Return the sub-network as an encoder of its own, without masks.

    Its streaming mode is the masked one of the whole, to rounding. Masked heads, units
    and channels are gone; masked blocks are zeros in tensors as large as before, so the
    file is no smaller: see :func:`blocked_bytes`.

    Args:
        encoder: With or without masks; not changed.
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
    sizes = {
        "attention_heads": [layer.self_attn.num_heads for layer in layers],
        "linear_units": [layer.feed_forward.units for layer in layers],
        "conv_channels": [layer.conv_module.channels for layer in layers],
    }
    if encoder.options["macaron_style"]:
        sizes["macaron_units"] = [la.feed_forward_macaron.units for la in layers]
    front = list(encoder.embed.channels)
    for groups, mask in _structured(encoder):
        left = int(mask.sum())
        if groups.module is encoder.embed:
            front[int(groups.part.rpartition(".")[2]) // 2] = left
        for index, layer in enumerate(layers):
            if groups.module is layer.self_attn:
                sizes["attention_heads"][index] = left
            elif groups.module is layer.feed_forward:
                sizes["linear_units"][index] = left
            elif groups.module is layer.feed_forward_macaron:
                sizes["macaron_units"][index] = left
            elif groups.module is layer.conv_module:
                sizes["conv_channels"][index] = left
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
        for kind, groups, mask in encoder.pruner.masks():
            if kind == "blocks":
                for owner, name, spread in groups.spread(mask):
                    state[f"{names[owner]}.{name}"] *= spread
    for groups, mask in _structured(encoder):
        for member in groups.members:
            name = f"{names[groups.module]}.{member.parameter}"
            kept = groups.indices(mask, member)
            state[name] = state[name].index_select(member.dim, kept)
    if streaming_only and not encoder.options["streaming_only"]:
        for index, layer in enumerate(encoder.encoders):
            name = f"encoders.{index}.conv_module.depthwise_conv.weight"
            causal = state[name][:, :, : layer.conv_module.reach + 1]
            state[name] = causal.contiguous()
    return state


def blocked_bytes(
    encoder: DualModeConformerEncoder, tensors: Mapping[str, torch.Tensor]
) -> int:
    """Compute what a file would hold that left masked blocks out; none is written.

    A masked matrix is the values of the blocks kept, and a 32-bit number for each of
    them that says where it stands; every other tensor is as it is.

    Args:
        encoder: With final masks, of blocks or of none.
        tensors: Of the recogniser that was cut out.

    Returns:
        Bytes, without names and headers.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if encoder.pruner is None:
        return size
    for kind, groups, mask in encoder.pruner.masks():
        if kind == "blocks":
            for owner, name, spread in groups.spread(mask):
                masked = int((spread == 0).sum())
                size -= masked * getattr(owner, name).element_size()
            size += int(mask.sum()) * _INDEX_BYTES
    return size


def _structured(encoder: DualModeConformerEncoder) -> list[tuple]:
    if encoder.pruner is None:
        return []
    return [
        (groups, mask)
        for _, groups, mask in encoder.pruner.masks()
        if isinstance(groups, StructuredGroups)
    ]
