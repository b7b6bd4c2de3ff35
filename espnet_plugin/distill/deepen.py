"""Layers put into a trained encoder without changing what it says."""

import re
from typing import Mapping, Sequence

import torch

from espnet_plugin.distill.students import keep_layers

__all__ = ["DEEPENED", "deepen", "repeat_layers"]

# Encoders of ESPnet whose layers only add to what they are given, but for a last
# normalisation (all with normalize_before).
DEEPENED = ("conformer", "e_branchformer", "transformer")
# What they add comes out of these.
_LAST = re.compile(
    r"\.(feed_forward(_macaron)?\.w_2|self_attn\.linear_out|attn\.linear_out|"
    r"conv_module\.pointwise_conv2|merge_proj)\.(weight|bias)$"
)
_NORM = "encoder.encoders.{}.norm_final.{}"


def repeat_layers(few: int, many: int) -> list[int]:
    """Choose the layer of a shallow model that each layer of a deeper one starts as.

    Args:
        few: Layers there are.
        many: Layers wanted, ``few`` or more.

    Returns:
        ``many`` indices from 0, ascending, each as often as any other or once more.
    """
    return [layer * few // many for layer in range(many)]


def deepen(
    state: Mapping[str, torch.Tensor], layers: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Return the tensors of a deeper model that computes the same.

    Net2DeeperNet (Chen et al., ICLR 2016, https://arxiv.org/abs/1511.05641): behind
    each layer stand copies of it that add nothing yet, because the last product of each
    of their blocks is zero. Where a layer ends in a normalisation, that of a copy
    undoes itself, exactly so if all frames have the same mean and variance over the
    channels.

    Args:
        state: Of the whole model.
        layers: Which old layer each new one is, or is a copy of; the first of equal
            neighbours is the layer itself. See :func:`repeat_layers`.
    """
    new = {name: tensor.clone() for name, tensor in keep_layers(state, layers).items()}
    for i, layer in enumerate(layers):
        if i == 0 or layers[i - 1] != layer:
            continue
        for name, tensor in new.items():
            if name.startswith(f"encoder.encoders.{i}.") and _LAST.search(name):
                tensor.zero_()
        weight, bias = (_NORM.format(i, kind) for kind in ("weight", "bias"))
        if weight in new:
            # Frames come in normalised: mean 0, variance 1 over the channels.
            scale = (new[weight].square().mean() + new[bias].var(correction=0)).sqrt()
            mean = new[bias].mean()
            new[weight].copy_(scale.expand_as(new[weight]))
            new[bias].copy_(mean.expand_as(new[bias]))
    return new
