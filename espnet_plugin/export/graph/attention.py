"""Self-attention with relative positions, without a table of distances."""

import copy
import math
from typing import NamedTuple

import torch
from torch import nn

from espnet_plugin.export.graph.operators import reshaped, reshaped_like

__all__ = ["FactoredAttention", "FactoredPositions", "PositionFactors"]


class PositionFactors(NamedTuple):
    """What positions contribute to the scores of attention.

    Attributes:
        sines: ``(frames, width)``, of each frame's own position.
        cosines: The same.
        codes: ``(width, frames)``: cosines and sines of each position.
    """

    sines: torch.Tensor
    cosines: torch.Tensor
    codes: torch.Tensor


class FactoredPositions(nn.Module):
    """Stands for ESPnet's ``RelPositionalEncoding`` where attention is factored.

    Args:
        width: Width of the encoder.
    """

    def __init__(self, width: int):
        super().__init__()
        steps = torch.arange(0, width, 2, dtype=torch.float32)
        rates = torch.exp(steps * -(math.log(10000.0) / width))
        # In turns and in double precision, so that late positions are exact as well.
        turns = rates.double() / (2 * math.pi)
        self.register_buffer("turns", turns, persistent=False)

    def forward(self, frames: int) -> PositionFactors:
        """Return the factors of positions 0 to ``frames - 1``."""
        positions = torch.arange(frames, device=self.turns.device)
        turns = self.turns[:, None] * positions.to(self.turns)
        angles = ((turns - turns.floor()) * (2 * math.pi)).float()
        sines, cosines = angles.sin(), angles.cos()
        return PositionFactors(
            torch.cat([sines, sines]).t(),
            torch.cat([cosines, cosines]).t(),
            torch.cat([cosines, sines]),
        )


class FactoredAttention(nn.Module):
    """ESPnet's ``RelPositionMultiHeadedAttention`` as products without a shift.

    ESPnet scores a query ``i`` and a key ``j`` by a linear function of the sines and
    cosines of ``i - j``: of twice as many distances as there are frames, of which a
    shift then picks. By the sum formulas of sine and cosine that is a product of the
    query turned by the angles of ``i`` with the sines and cosines of ``j`` itself,
    which takes half the memory.

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
        self.linear_qkv = nn.Linear(self.width, 3 * self.width)
        weight = torch.cat([q.weight * scale, k.weight, v.weight])
        self.linear_qkv.weight.data = weight.data
        self.linear_qkv.bias.data = torch.cat([bias, k.bias, v.bias]).data
        self.linear_out = copy.deepcopy(stock.linear_out)
        offset = (stock.pos_bias_v - stock.pos_bias_u).data[:, None] * scale
        self.register_buffer("offset", offset, persistent=False)
        # (heads, size, width): of the sines, then of the cosines.
        codes = stock.linear_pos.weight.data.view(self.heads, self.size, self.width)
        sines, cosines = codes[..., 0::2], codes[..., 1::2]
        same = torch.cat([sines, cosines], dim=2).contiguous()
        turned = torch.cat([cosines, -sines], dim=2).contiguous()
        self.same, self.turned = nn.Parameter(same), nn.Parameter(turned)

    def forward(
        self,
        rows: torch.Tensor,
        like: torch.Tensor,
        positions: PositionFactors,
        hidden: torch.Tensor,
    ) -> torch.Tensor:
        """Attend.

        Args:
            rows: ``(batch * frames, width)``.
            like: Any tensor ``(batch, frames, ...)``.
            positions: Encoded positions of ``frames`` frames.
            hidden: ``(batch, 1, 1, frames)``: added to the scores of a key.

        Returns:
            ``(batch * frames, width)``.
        """
        x = reshaped_like(self.linear_qkv(rows), like, (3 * self.heads, self.size))
        q, k, v = x.transpose(1, 2).split(self.heads, dim=1)
        far = q + self.offset
        far = (far @ self.same) * positions.sines + (
            far @ self.turned
        ) * positions.cosines
        scores = q @ k.transpose(-2, -1) + far @ positions.codes + hidden
        mixed = (scores.softmax(-1) @ v).transpose(1, 2)
        return self.linear_out(reshaped(mixed, (-1, self.width)))
