"""Importance of a language model's heads, units and singular components.

The first-order importance of a part is the change of the loss, to first order, if the
output of the part is scaled: the sum of weight times gradient over its output weights.
Absolute values are summed over batches, because over the whole training text the
gradients of a trained model cancel out.
"""

from dataclasses import dataclass
from typing import Iterable, Iterator, Sequence

import torch
from espnet2.lm.espnet_model import ESPnetLanguageModel

from espnet_plugin.lm.model import block_layers
from espnet_plugin.lm.text import Batch
from espnet_plugin.tensors.frames import frame_mask

__all__ = [
    "Importance",
    "first_order",
    "input_moments",
    "magnitude",
    "singular_first_order",
]

# Index of the block and name of the matrix.
Key = tuple[int, str]


@dataclass(frozen=True)
class Importance:
    """Importance of parts that structured pruning can remove, for each block.

    Attributes:
        heads: Importance of the attention heads, ``(heads,)`` for each block.
        units: Importance of the feed-forward units, ``(units,)`` for each block.
    """

    heads: Sequence[torch.Tensor]
    units: Sequence[torch.Tensor]


def magnitude(model: ESPnetLanguageModel) -> Importance:
    """Return the norm of a part's input weights times that of its output weights.

    For a head these are its value projection and its columns of the output projection,
    for a unit its row of the first matrix and its column of the second.
    """
    heads, units = [], []
    for block in model.lm.encoder.encoders:
        attention, feed_forward = block.self_attn, block.feed_forward
        value = attention.linear_v.weight.detach().view(attention.h, -1)
        out = _by_head(attention.linear_out.weight.detach(), attention.h)
        heads.append(value.norm(dim=1) * out.norm(dim=1))
        read = feed_forward.w_1.weight.detach().norm(dim=1)
        units.append(read * feed_forward.w_2.weight.detach().norm(dim=0))
    return Importance(heads, units)


def first_order(model: ESPnetLanguageModel, batches: Iterable[Batch]) -> Importance:
    """Return ``sum over batches |sum w g|`` per token, for heads and units.

    Args:
        model: A model without factors; its gradients are cleared.
        batches: Batches of the training text.
    """
    blocks = model.lm.encoder.encoders
    first = blocks[0].self_attn
    heads = torch.zeros(len(blocks), first.h, dtype=torch.float64)
    units = torch.zeros(
        len(blocks), blocks[0].feed_forward.w_1.out_features, dtype=torch.float64
    )
    total = 0
    for tokens in _gradients(model, batches):
        total += tokens
        for number, block in enumerate(blocks):
            out, last = block.self_attn.linear_out, block.feed_forward.w_2
            change = (out.weight.detach() * out.weight.grad).double()
            heads[number] += _by_head(change, first.h).sum(dim=1).abs()
            units[number] += (
                (last.weight.detach() * last.weight.grad).double().sum(dim=0).abs()
            )
    return Importance(list(heads / total), list(units / total))


def singular_first_order(
    model: ESPnetLanguageModel, batches: Iterable[Batch]
) -> dict[Key, torch.Tensor]:
    """Return ``sum over batches |s_i dL/ds_i|`` per token for each singular component.

    The gradient with respect to a singular value is ``u_i^T G v_i``, where G is the
    gradient with respect to the matrix.
    """
    parts, found = {}, {}
    for number, name, layer in block_layers(model.lm):
        left, values, right = torch.linalg.svd(
            layer.weight.detach().double(), full_matrices=False
        )
        parts[number, name] = layer, left, values, right
        found[number, name] = torch.zeros_like(values)
    total = 0
    for tokens in _gradients(model, batches):
        total += tokens
        for key, (layer, left, values, right) in parts.items():
            slope = ((left.T @ layer.weight.grad.double()) * right).sum(dim=1)
            found[key] += (values * slope).abs()
    return {key: value / total for key, value in found.items()}


@torch.no_grad()
def input_moments(
    model: ESPnetLanguageModel, batches: Iterable[Batch]
) -> dict[Key, torch.Tensor]:
    """Return the mean of ``x x^T`` over each matrix's inputs, without padding."""
    model.eval()
    sums: dict[Key, torch.Tensor] = {}
    valid = torch.zeros(0)

    def note(key):
        def hook(_, inputs):
            x = inputs[0][valid].double()
            sums[key] = sums.get(key, 0.0) + x.T @ x

        return hook

    handles = [
        layer.register_forward_pre_hook(note((number, name)))
        for number, name, layer in block_layers(model.lm)
    ]
    total = 0
    try:
        for batch in batches:
            # The model prepends <sos>.
            lengths = batch.lengths + 1
            valid = frame_mask(lengths, int(lengths.max()))
            model.nll(batch.tokens, batch.lengths)
            total += int(lengths.sum())
    finally:
        for handle in handles:
            handle.remove()
    return {key: value / total for key, value in sums.items()}


def _gradients(model: ESPnetLanguageModel, batches: Iterable[Batch]) -> Iterator[int]:
    """Compute the gradients of the summed loss of each batch.

    Yields:
        The number of tokens in the batch, while the gradients are in ``.grad``.
    """
    model.eval()  # dropout would make the importance random
    for batch in batches:
        model.zero_grad(set_to_none=True)
        nll, lengths = model.nll(batch.tokens, batch.lengths)
        nll.sum().backward()
        yield int(lengths.sum())
    model.zero_grad(set_to_none=True)


def _by_head(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the columns of an output projection, ``(heads, outputs x head width)``."""
    return weight.T.reshape(heads, -1)
