"""ESPnet's Transformer LM with fewer heads, or with factorised matrices.

In ``TransformerLM`` the width of a head is ``att_unit / head``, so fewer heads are
wider and do not save weights. Here the number and the width of heads are separate
options.
"""

from typing import Any, Iterator, Mapping, Optional

import torch
from espnet2.lm.transformer_lm import TransformerLM
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.lm.shape import MATRICES

__all__ = ["CompactTransformerLM", "LowRankLinear", "block_layers"]

_ATTENTION = ("linear_q", "linear_k", "linear_v", "linear_out")


class LowRankLinear(nn.Module):
    """A linear layer with a factorised matrix: ``y = B (A x) + b``.

    Args:
        inputs: Width of the input.
        outputs: Width of the output.
        rank: Number of columns of B and of rows of A.

    Raises:
        UserError: If the rank is below 1 or above the smaller width.
    """

    def __init__(self, inputs: int, outputs: int, rank: int):
        super().__init__()
        if not 1 <= rank <= min(inputs, outputs):
            raise UserError(
                f"rank {rank} of a matrix of {outputs} x {inputs}: must be from 1 to "
                f"{min(inputs, outputs)}"
            )
        self.reduce = nn.Linear(inputs, rank, bias=False)
        self.expand = nn.Linear(rank, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(..., inputs)`` to ``(..., outputs)``."""
        return self.expand(self.reduce(x))


class CompactTransformerLM(TransformerLM):
    """A ``TransformerLM`` with a free head width or factorised matrices.

    Args:
        vocab_size: Number of tokens.
        head: Number of attention heads in each block.
        head_width: Width of a head; by default ``att_unit / head``.
        ranks: Ranks of the factorised matrices in each block, by name: ``linear_q``,
            ``linear_k``, ``linear_v``, ``linear_out``, ``w_1``, ``w_2``.
        conf: Other options of ESPnet's class.

    Raises:
        UserError: If a size is out of range or a name is unknown.
    """

    def __init__(
        self,
        vocab_size: int,
        head: int = 2,
        head_width: Optional[int] = None,
        ranks: Optional[Mapping[str, int]] = None,
        **conf: Any,
    ):
        # One head is valid for every width; the heads are set below.
        super().__init__(vocab_size, head=1, **conf)
        width = self.decoder.in_features
        if head_width is None and head and width % head:
            raise UserError(
                f"lm_conf.head {head}: att_unit {width} is not a multiple of it; give "
                "head_width as well"
            )
        head_width = head_width or width // max(head, 1)
        if head < 1 or head_width < 1 or head * head_width > width:
            raise UserError(
                f"lm_conf: {head} heads of width {head_width}: both must be at least "
                f"1, and their product at most att_unit {width}"
            )
        unknown = set(ranks or {}) - set(MATRICES)
        if unknown:
            raise UserError(
                f"lm_conf.ranks: {', '.join(sorted(unknown))}: choose from "
                f"{', '.join(MATRICES)}"
            )
        for block in self.encoder.encoders:
            _set_heads(block.self_attn, width, head, head_width)
            for name, rank in (ranks or {}).items():
                part = block.self_attn if name in _ATTENTION else block.feed_forward
                dense = getattr(part, name)
                factors = LowRankLinear(dense.in_features, dense.out_features, rank)
                setattr(part, name, factors)


def _set_heads(attention: nn.Module, width: int, heads: int, head_width: int) -> None:
    inner = heads * head_width
    attention.h, attention.d_k = heads, head_width
    for name in ("linear_q", "linear_k", "linear_v"):
        setattr(attention, name, nn.Linear(width, inner))
    attention.linear_out = nn.Linear(inner, width)


def block_layers(lm: TransformerLM) -> Iterator[tuple[int, str, nn.Module]]:
    """Yield the number of the block, the name and the module of every matrix."""
    for number, block in enumerate(lm.encoder.encoders):
        for name in MATRICES:
            part = block.self_attn if name in _ATTENTION else block.feed_forward
            yield number, name, getattr(part, name)
