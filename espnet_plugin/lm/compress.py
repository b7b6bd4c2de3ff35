"""Make a smaller language model from a large one's weights, without training."""

from dataclasses import replace
from typing import Optional, Sequence

import torch

from espnet_plugin.lm.importance import (
    Importance,
    first_order,
    input_moments,
    magnitude,
    singular_first_order,
)
from espnet_plugin.lm.load import LanguageModel
from espnet_plugin.lm.low_rank import factor
from espnet_plugin.lm.model import block_layers
from espnet_plugin.lm.shape import MATRICES, LMShape
from espnet_plugin.lm.text import Sentence, batches

__all__ = ["cut_parts", "factored_state", "merged_state", "padded_state"]

State = dict[str, torch.Tensor]

_ATTENTION = "self_attn."
_FEED_FORWARD = "feed_forward."


def cut_parts(
    source: LanguageModel, target: LMShape, criterion: str, text: Sequence[Sentence]
) -> State:
    """Return the weights of a model without its least important parts.

    The same number of heads and units is removed from every block; they are chosen in
    each block separately.

    Args:
        source: A model without factors.
        target: Sizes of the result.
        criterion: ``magnitude`` or ``first_order``.
        text: Training text, used by ``first_order``.
    """
    if criterion == "magnitude":
        found = magnitude(source.model)
    else:
        found = first_order(source.model, batches(text))
    return keep_parts(source, target, found)


def keep_parts(source: LanguageModel, target: LMShape, found: Importance) -> State:
    """Return the weights with the most important heads and units, in their order."""
    state = dict(source.model.state_dict())
    width = source.shape.head_width
    for number in range(source.shape.layers):
        block = _block(number)
        heads = _largest(found.heads[number], target.heads)
        rows = (heads[:, None] * width + torch.arange(width)).flatten()
        units = _largest(found.units[number], target.units)
        for name, kept in (
            *((f"{_ATTENTION}linear_{part}", rows) for part in "qkv"),
            (f"{_FEED_FORWARD}w_1", units),
        ):
            for tensor in ("weight", "bias"):
                key = f"{block}{name}.{tensor}"
                state[key] = state[key][kept].contiguous()
        for name, kept in (
            (f"{_ATTENTION}linear_out", rows),
            (f"{_FEED_FORWARD}w_2", units),
        ):
            key = f"{block}{name}.weight"
            state[key] = state[key][:, kept].contiguous()
    return state


def factored_state(
    source: LanguageModel, target: LMShape, criterion: str, text: Sequence[Sentence]
) -> State:
    """Return the weights of a model with factorised matrices.

    Args:
        source: A model without factors.
        target: Sizes of the result, with the ranks.
        criterion: ``magnitude`` for the largest singular values, ``activations`` for
            the smallest error of each layer's outputs on the text, ``first_order`` for
            the singular components that the loss depends on most.
        text: Training text, used by ``activations`` and ``first_order``.
    """
    moments, importance = {}, {}
    if criterion == "activations":
        moments = input_moments(source.model, batches(text))
    elif criterion == "first_order":
        importance = singular_first_order(source.model, batches(text))
    state = dict(source.model.state_dict())
    for number, name, layer in block_layers(source.model.lm):
        if name not in target.ranks:
            continue
        key = number, name
        expand, reduce = factor(
            layer.weight, target.ranks[name], moments.get(key), importance.get(key)
        )
        prefix = _layer(number, name)
        state[f"{prefix}.expand.weight"], state[f"{prefix}.reduce.weight"] = (
            expand,
            reduce,
        )
        state[f"{prefix}.expand.bias"] = state.pop(f"{prefix}.bias")
        del state[f"{prefix}.weight"]
    return state


def merged_state(source: LanguageModel) -> tuple[State, LMShape]:
    """Return the weights with all factors multiplied, and the sizes.

    The model computes the same function, and its file is as large as the dense model's.
    """
    state = dict(source.model.state_dict())
    for number in range(source.shape.layers):
        for name in source.shape.ranks:
            prefix = _layer(number, name)
            expand = state.pop(f"{prefix}.expand.weight")
            reduce = state.pop(f"{prefix}.reduce.weight")
            product = expand.double() @ reduce.double()
            state[f"{prefix}.weight"] = product.to(expand)
            state[f"{prefix}.bias"] = state.pop(f"{prefix}.expand.bias")
    return state, replace(source.shape, ranks={})


def padded_state(state: State, shape: LMShape) -> tuple[State, LMShape]:
    """Return weights with heads of zeros in place of the removed ones.

    ESPnet's class always has as many heads as fit into ``att_unit``. A head with zero
    values and output adds nothing, so the function is the same.

    Args:
        state: Weights of a model without factors.
        shape: Sizes of the model.
    """
    state, missing = dict(state), shape.width - shape.heads * shape.head_width
    for number in range(shape.layers) if missing else ():
        for name in ("linear_q", "linear_k", "linear_v"):
            for tensor in ("weight", "bias"):
                key = f"{_layer(number, name)}.{tensor}"
                value = state[key]
                zeros = value.new_zeros(missing, *value.shape[1:])
                state[key] = torch.cat([value, zeros])
        key = f"{_layer(number, 'linear_out')}.weight"
        zeros = state[key].new_zeros(shape.width, missing)
        state[key] = torch.cat([state[key], zeros], dim=1)
    return state, replace(shape, heads=shape.width // shape.head_width)


def _block(number: int) -> str:
    return f"lm.encoder.encoders.{number}."


def _layer(number: int, name: str) -> str:
    part = _ATTENTION if name in MATRICES[:4] else _FEED_FORWARD
    return f"{_block(number)}{part}{name}"


def _largest(importance: Optional[torch.Tensor], count: int) -> torch.Tensor:
    """Return the indices of the largest values, in ascending order."""
    return importance.topk(count).indices.sort().values
