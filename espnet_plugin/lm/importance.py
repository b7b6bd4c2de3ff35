"""How much a language model would miss its heads, units and singular components.

First-order importance of a part: what the loss would change by, to first order, if the
part's output were scaled. That is the sum of weight times gradient over the weights
that write its output. Its size is added up batch by batch, because over all of the
training text the gradients of a trained model cancel out.
"""

from dataclasses import dataclass
from typing import Iterable, Iterator, Sequence

import torch
from espnet2.lm.espnet_model import ESPnetLanguageModel

from espnet_plugin.lm.model import block_layers
from espnet_plugin.lm.text import Batch

__all__ = [
    "Importance",
    "first_order",
    "input_moments",
    "magnitude",
    "singular_first_order",
]

# Block and matrix.
Key = tuple[int, str]


@dataclass(frozen=True)
class Importance:
    """Importance of what structured pruning can cut, a tensor for each block.

    Attributes:
        heads: ``(heads,)``.
        units: ``(units,)``.
    """

    heads: Sequence[torch.Tensor]
    units: Sequence[torch.Tensor]


def magnitude(model: ESPnetLanguageModel) -> Importance:
    """Return the norm of what a part reads by times the norm of what it writes by.

    Of a head these are its values and its columns of the output projection, of a unit
    its row of the first and its column of the second matrix.
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
    """Return ``sum over batches |sum w g|`` per token of text, for heads and units.

    Args:
        model: A model without factors; its gradients are cleared.
        batches: The text.
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
    """Return ``sum over batches |s_i dL/ds_i|`` per token of each singular component.

    The gradient by a singular value is ``u_i^T G v_i``, where G is the matrix's.
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
    """Return the mean of ``x x^T`` over each matrix's inputs, padding left out."""
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
            # The model puts <sos> in front.
            lengths = batch.lengths + 1
            valid = torch.arange(int(lengths.max()))[None] < lengths[:, None]
            model.nll(batch.tokens, batch.lengths)
            total += int(lengths.sum())
    finally:
        for handle in handles:
            handle.remove()
    return {key: value / total for key, value in sums.items()}


def _gradients(model: ESPnetLanguageModel, batches: Iterable[Batch]) -> Iterator[int]:
    """Leave the gradients of a batch's summed loss in the model, batch by batch.

    Yields:
        The tokens that the loss is summed over.
    """
    model.eval()  # dropout would make another importance of every call
    for batch in batches:
        model.zero_grad(set_to_none=True)
        nll, lengths = model.nll(batch.tokens, batch.lengths)
        nll.sum().backward()
        yield int(lengths.sum())
    model.zero_grad(set_to_none=True)


def _by_head(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the columns of an output projection, ``(heads, outputs x head width)``."""
    return weight.T.reshape(heads, -1)
