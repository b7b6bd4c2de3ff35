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
    """Return the sub-network as a separate encoder without masks.

    Its streaming mode equals the masked streaming mode of the given encoder, up to
    rounding. Masked heads, units and channels are removed. Masked blocks are zeros in
    tensors of the same size; :func:`blocked_state` omits them in files.

    Args:
        encoder: An encoder with or without masks, which is not changed.
        streaming_only: Whether the non-causal half of the kernels is removed. Otherwise
            the sub-network has a full mode, which was never trained.

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

    Sizes are lists with a number for each layer.

    Args:
        encoder: See :func:`extract_streaming`.
        streaming_only: See there.
    """
    layers = encoder.encoders
    left = {}  # sizes of masked modules, by module and place
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

    Args:
        encoder: See :func:`extract_streaming`.
        streaming_only: See there.

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

    ``to_dense()`` restores a matrix; ``checkpoints.checkpoint.read_checkpoint`` does
    this.

    Args:
        encoder: An encoder with final masks of blocks.
        tensors: Tensors of the model that was cut out of it, by name.
        prefix: Prefix of the names of the encoder's tensors.
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
