"""Replacements of ESPnet's layers with fewer and cheaper operations."""

import copy
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


class LeanAttention(FullAttention):
    """ESPnet's ``RelPositionMultiHeadedAttention``, called as that is.

    Args:
        stock: The module of a trained model.
    """

    def __init__(self, stock: nn.Module):
        super().__init__(stock, stock.h, stock.d_k)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        pos_emb: torch.Tensor,
        mask: Optional[torch.Tensor],
    ) -> torch.Tensor:
        """Attend within one sequence.

        Args:
            query: ``(batch, frames, width)``.
            key: The same tensor, as ESPnet's encoders have it without a cache.
            value: The same.
            pos_emb: ``(1, 2 * frames - 1, width)``.
            mask: ``(batch, 1, frames)``, true on valid frames; each row has one.
        """
        return super().forward(query, pos_emb[0], None if mask is None else mask[:, 0])


def lean_layer(stock: nn.Module) -> nn.Module:
    """Return the module that replaces one of ESPnet's, or that module itself."""
    kind = type(stock).__name__
    if kind == "ConvolutionModule" and isinstance(stock.norm, nn.BatchNorm1d):
        return LeanConvolution(stock)
    if kind == "RelPositionMultiHeadedAttention" and not (
        stock.zero_triu or normalises(stock)
    ):
        return LeanAttention(stock)
    if kind == "RelativeAttention":
        return FullAttention(stock, stock.num_heads, stock.head_width)
    return stock


def normalises(stock: nn.Module) -> bool:
    """Return whether an attention module normalises its queries or keys."""
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
