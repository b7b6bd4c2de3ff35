"""Self-attention with relative positions, without a table of distances."""

import copy
import math
from typing import NamedTuple

import torch
from torch import nn

from espnet_plugin.export.graph.operators import reshaped, reshaped_like

__all__ = ["FactoredAttention", "FactoredPositions", "PositionFactors"]


class PositionFactors(NamedTuple):
    """Contributions of positions to the scores of attention.

    Attributes:
        sines: ``(frames, width)``, of each frame's own position.
        cosines: The same.
        codes: ``(width, frames)``: cosines and sines of each position.
        hidden: ``(batch, 1, size of a head + 1, frames)``: zeros, and in the last row
            the value that is added to every score of a key.
    """

    sines: torch.Tensor
    cosines: torch.Tensor
    codes: torch.Tensor
    hidden: torch.Tensor


class FactoredPositions(nn.Module):
    """Replaces ESPnet's ``RelPositionalEncoding`` for factored attention.

    Args:
        width: Width of the encoder.
        size: Width of a head.
    """

    def __init__(self, width: int, size: int):
        super().__init__()
        steps = torch.arange(0, width, 2, dtype=torch.float32)
        rates = torch.exp(steps * -(math.log(10000.0) / width))
        # In turns and in double precision, so that late positions are exact as well.
        turns = rates.double() / (2 * math.pi)
        self.register_buffer("turns", turns, persistent=False)
        last = torch.zeros(size + 1, 1)
        last[-1] = 1.0
        self.register_buffer("last", last, persistent=False)

    def forward(self, frames: int, hidden: torch.Tensor) -> PositionFactors:
        """Return the factors of positions 0 to ``frames - 1``.

        Args:
            frames: How many there are.
            hidden: ``(batch, 1, 1, frames)``: added to the scores of a key.
        """
        positions = torch.arange(frames, device=self.turns.device)
        turns = self.turns[:, None] * positions.to(self.turns)
        angles = ((turns - turns.floor()) * (2 * math.pi)).float()
        sines, cosines = angles.sin(), angles.cos()
        return PositionFactors(
            torch.cat([sines, sines]).t(),
            torch.cat([cosines, cosines]).t(),
            torch.cat([cosines, sines]),
            hidden * self.last,
        )


class FactoredAttention(nn.Module):
    """ESPnet's ``RelPositionMultiHeadedAttention`` as products without a shift.

    In ESPnet the score of query ``i`` and key ``j`` is a linear function of the sines
    and cosines of ``i - j``. It is computed for all distances, twice as many as frames,
    and a shift then selects the right ones. By the addition formulas of sine and
    cosine, the score is also the product of the query, rotated by the angles of ``i``,
    with the sines and cosines of ``j``. This takes half the memory.

    Each query is extended by a constant 1. Its product with an additional value of each
    key hides the key, and its product with an additional row of the position matrices
    adds ESPnet's second bias. So neither needs a separate addition to all scores or
    queries.

    Args:
        stock: The module of a trained model; its tensors are copied.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.heads, self.size = stock.h, stock.d_k
        self.width = self.heads * self.size
        scale = 1 / math.sqrt(self.size)
        q, k, v = stock.linear_q, stock.linear_k, stock.linear_v
        bias = (q.bias + stock.pos_bias_u.flatten()) * scale
        self.widths = 2 * [self.width + self.heads] + [self.width]
        self.linear_qkv = nn.Linear(self.width, sum(self.widths))
        weight = [self._longer(q.weight * scale, 0.0), self._longer(k.weight, 0.0)]
        self.linear_qkv.weight.data = torch.cat([*weight, v.weight]).data
        biases = [self._longer(bias, 1.0), self._longer(k.bias, 0.0), v.bias]
        self.linear_qkv.bias.data = torch.cat(biases).data
        self.linear_out = copy.deepcopy(stock.linear_out)
        offset = (stock.pos_bias_v - stock.pos_bias_u).data[:, None] * scale
        # (heads, size + 1, width): of the sines, then of the cosines.
        codes = stock.linear_pos.weight.data.view(self.heads, self.size, self.width)
        sines, cosines = codes[..., 0::2], codes[..., 1::2]
        same = torch.cat([sines, cosines], dim=2)
        turned = torch.cat([cosines, -sines], dim=2)
        self.same = nn.Parameter(torch.cat([same, offset @ same], dim=1))
        self.turned = nn.Parameter(torch.cat([turned, offset @ turned], dim=1))

    def _longer(self, rows: torch.Tensor, value: float) -> torch.Tensor:
        """Return rows of all heads with a row of ``value`` after each head's."""
        heads = rows.view(self.heads, self.size, -1)
        last = torch.full_like(heads[:, :1], value)
        return torch.cat([heads, last], dim=1).flatten(0, 1).view(-1, *rows.shape[1:])

    def forward(
        self,
        rows: torch.Tensor,
        like: torch.Tensor,
        positions: PositionFactors,
    ) -> torch.Tensor:
        """Attend.

        Args:
            rows: ``(batch * frames, width)``.
            like: Any tensor ``(batch, frames, ...)``.
            positions: The matrices of ``frames`` frames.

        Returns:
            ``(batch * frames, width)``.
        """
        heads = self.linear_qkv(rows).split(self.widths, dim=1)
        q, k, v = (
            reshaped_like(x, like, (self.heads, width // self.heads)).transpose(1, 2)
            for x, width in zip(heads, self.widths)
        )
        far = (q @ self.same) * positions.sines + (q @ self.turned) * positions.cosines
        near = q @ (k.transpose(-2, -1) + positions.hidden)
        scores = near + far @ positions.codes
        mixed = (scores.softmax(-1) @ v).transpose(1, 2)
        return self.linear_out(reshaped(mixed, (-1, self.width)))
