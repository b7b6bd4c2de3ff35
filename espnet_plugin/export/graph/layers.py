"""Layers that compute what ESPnet's do with fewer and cheaper operations."""

import copy
import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.export.graph.full_attention import FullAttention

__all__ = ["as_linear", "lean_layer", "normalises"]


class LeanConvolution(nn.Module):
    """ESPnet's ``ConvolutionModule`` with its normalisation folded in.

    The point-wise convolutions are matrix products, which can be quantised.

    Args:
        stock: The module of a trained model, in evaluation mode.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.expand = as_linear(stock.pointwise_conv1)
        self.project = as_linear(stock.pointwise_conv2)
        self.depthwise = nn.utils.fuse_conv_bn_eval(
            copy.deepcopy(stock.depthwise_conv).eval(), stock.norm.eval()
        )
        self.activation = copy.deepcopy(stock.activation)

    def forward(
        self, x: torch.Tensor, mask_pad: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """Convolve.

        Args:
            x: ``(batch, frames, width)``.
            mask_pad: ``(batch, 1, frames)``, true on valid frames.
        """
        x = F.glu(self.expand(x), dim=-1).transpose(1, 2)
        if mask_pad is not None:
            x = x.masked_fill(~mask_pad, 0.0)
        x = self.activation(self.depthwise(x))
        return self.project(x.transpose(1, 2))


class LeanAttention(nn.Module):
    """ESPnet's ``RelPositionMultiHeadedAttention`` with its scale folded in.

    Args:
        stock: The module of a trained model.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.heads, self.size = stock.h, stock.d_k
        scale = 1 / math.sqrt(stock.d_k)
        for name in ("q", "k", "v", "out", "pos"):
            linear = copy.deepcopy(getattr(stock, f"linear_{name}"))
            setattr(self, f"linear_{name}", linear)
        self.linear_q.weight.data *= scale
        self.linear_q.bias.data *= scale
        # (heads, 1, size), as they are added to (batch, heads, frames, size).
        self.bias_u = nn.Parameter(stock.pos_bias_u.data[:, None] * scale)
        self.bias_v = nn.Parameter(stock.pos_bias_v.data[:, None] * scale)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        pos_emb: torch.Tensor,
        mask: Optional[torch.Tensor],
    ) -> torch.Tensor:
        """Attend.

        Args:
            query: ``(batch, frames, width)``.
            key: Keys of the same shape.
            value: Values of the same shape.
            pos_emb: ``(1, 2 * frames - 1, width)``.
            mask: ``(batch, 1, frames)``, true on valid frames; each row has one.
        """
        batch, frames = query.size(0), query.size(1)
        q = self._split(self.linear_q(query))
        k = self._split(self.linear_k(key))
        v = self._split(self.linear_v(value))
        p = self._split(self.linear_pos(pos_emb))
        scores = (q + self.bias_u) @ k.transpose(-2, -1)
        scores = scores + self._shift((q + self.bias_v) @ p.transpose(-2, -1))
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -1e9)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2)
        return self.linear_out(mixed.reshape(batch, frames, self.heads * self.size))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.size(0), -1, self.heads, self.size).transpose(1, 2)

    @staticmethod
    def _shift(x: torch.Tensor) -> torch.Tensor:
        """Turn distances into key frames: ``(..., t, 2t - 1)`` to ``(..., t, t)``."""
        batch, heads, frames, distances = x.shape
        x = F.pad(x, (1, 0)).view(batch, heads, distances + 1, frames)
        return x[:, :, 1:].view(batch, heads, frames, distances)[..., :frames]


def lean_layer(stock: nn.Module) -> nn.Module:
    """Return the module that stands for one of ESPnet's, or that itself."""
    kind = type(stock).__name__
    if kind == "ConvolutionModule" and isinstance(stock.norm, nn.BatchNorm1d):
        return LeanConvolution(stock)
    if kind == "RelPositionMultiHeadedAttention" and not (
        stock.zero_triu or normalises(stock)
    ):
        return LeanAttention(stock)
    if kind == "RelativeAttention":
        return FullAttention(stock)
    return stock


def normalises(stock: nn.Module) -> bool:
    """Tell whether an attention module normalises its queries or keys."""
    norms = (getattr(stock, name, None) for name in ("q_norm", "k_norm"))
    return any(not isinstance(n, (nn.Identity, type(None))) for n in norms)


def as_linear(convolution: nn.Conv1d) -> nn.Linear:
    """Return the linear map that a point-wise convolution is."""
    linear = nn.Linear(
        convolution.in_channels,
        convolution.out_channels,
        convolution.bias is not None,
    )
    linear.weight.data = convolution.weight.data[:, :, 0].clone()
    if convolution.bias is not None:
        linear.bias.data = convolution.bias.data.clone()
    return linear
