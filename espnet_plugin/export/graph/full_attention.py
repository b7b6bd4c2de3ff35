"""Attention with relative positions over whole utterances, as it is exported."""

import copy
import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["FullAttention"]

_HIDDEN = -1e9


class FullAttention(nn.Module):
    """This plugin's ``RelativeAttention`` in its full mode, for any batch and length.

    Its shapes do not depend on the example used for tracing, and the scale is folded
    into the weights.

    Args:
        stock: The module of a trained model, or one with the same linear maps.
        heads: Its number of heads.
        size: Width of a head.
    """

    def __init__(self, stock: nn.Module, heads: int, size: int):
        super().__init__()
        self.heads, self.size = heads, size
        scale = 1 / math.sqrt(self.size)
        for name in ("q", "k", "v", "out", "pos"):
            linear = copy.deepcopy(getattr(stock, f"linear_{name}"))
            setattr(self, f"linear_{name}", linear)
        self.linear_q.weight.data *= scale
        self.linear_q.bias.data *= scale
        # (heads, 1, size), as they are added to (batch, heads, frames, size).
        self.bias_u = nn.Parameter(stock.pos_bias_u.data[:, None] * scale)
        self.bias_v = nn.Parameter(stock.pos_bias_v.data[:, None] * scale)

    def forward(
        self, x: torch.Tensor, codes: torch.Tensor, valid: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Attend to every valid frame.

        Args:
            x: ``(batch, frames, width)``.
            codes: ``(2 * frames - 1, width)``, the farthest past first.
            valid: ``(batch, frames)``; each utterance has a valid one. All, if None.

        Returns:
            ``(batch, frames, width)``.
        """
        batch, frames = x.size(0), x.size(1)
        q = self._split(self.linear_q(x))
        k = self._split(self.linear_k(x))
        v = self._split(self.linear_v(x))
        p = self._split(self.linear_pos(codes[None]))
        by_distance = (q + self.bias_v) @ p.transpose(-2, -1)
        # A zero before each row moves row after row by one when it is reshaped.
        moved = F.pad(by_distance, (1, 0)).view(batch, self.heads, 2 * frames, frames)
        moved = moved[:, :, 1:].reshape(batch, self.heads, frames, 2 * frames - 1)
        scores = (q + self.bias_u) @ k.transpose(-2, -1) + moved[..., :frames]
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None, None], _HIDDEN)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2)
        return self.linear_out(mixed.reshape(batch, frames, self.heads * self.size))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.size(0), -1, self.heads, self.size).transpose(1, 2)
