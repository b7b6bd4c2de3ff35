"""Cut the sparse sub-network out of a dual-mode encoder."""

from typing import Any, Mapping

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.groups import StructuredGroups

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


def blocked_state(
    encoder: DualModeConformerEncoder,
    tensors: Mapping[str, torch.Tensor],
    prefix: str = "",
) -> dict[str, torch.Tensor]:
    """Return tensors of which masked blocks are left out, for a smaller file.

    A masked matrix becomes torch's block compressed rows: the blocks that are not zero,
    and a 32-bit number for each of them that says where it stands. ``to_dense()`` gives
    the matrix again, and ``export.checkpoint.read_checkpoint`` does so. A matrix whose
    sizes its blocks do not divide stays whole: torch has no form for it.

    Args:
        encoder: With final masks, of blocks.
        tensors: Of what was cut out of it.
        prefix: Of the encoder's names among them.
    """
    packed = dict(tensors)
    names = {module: name for name, module in encoder.named_modules()}
    for kind, groups, _ in encoder.pruner.masks() if encoder.pruner else ():
        if kind != "blocks":
            continue
        name = f"{prefix}{names[groups.module]}.weight"
        matrix, block = packed[name], (groups.rows, groups.columns)
        if any(size % part for size, part in zip(matrix.shape, block)):
            continue
        sparse = matrix.to_sparse_bsr(block, dense_dim=matrix.dim() - 2)
        packed[name] = torch.sparse_bsr_tensor(
            sparse.crow_indices().int(),
            sparse.col_indices().int(),
            sparse.values(),
            size=matrix.shape,
        )
    return packed


def _structured(encoder: DualModeConformerEncoder) -> list[tuple]:
    if encoder.pruner is None:
        return []
    return [
        (groups, mask)
        for _, groups, mask in encoder.pruner.masks()
        if isinstance(groups, StructuredGroups)
    ]
