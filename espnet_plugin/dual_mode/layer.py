"""One Conformer block, in both modes."""

from typing import NamedTuple, Optional

import torch
from torch import nn

from espnet_plugin.dual_mode.attention import Cache, RelativeAttention
from espnet_plugin.dual_mode.convolution import ConvolutionModule
from espnet_plugin.dual_mode.groups import Member, StructuredGroups

__all__ = ["SIZES", "ConformerLayer", "FeedForward", "LayerCache", "LayerSize"]

_EPS = 1e-12  # ESPnet's


class LayerSize(NamedTuple):
    """The sizes that may differ between layers after a sub-network was cut out."""

    heads: int
    units: int
    channels: int
    macaron_units: int


class LayerCache(NamedTuple):
    """The cache of a layer for the frames before a chunk."""

    attention: Cache
    convolution: torch.Tensor


class FeedForward(nn.Module):
    """Two linear layers, with ESPnet's names.

    Args:
        width: Width of the encoder.
        units: Units between the two layers.
        dropout_rate: Dropout rate of the units.
        activation: Activation of the units.
    """

    def __init__(self, width: int, units: int, dropout_rate: float, activation):
        super().__init__()
        self.units = units
        self.w_1 = nn.Linear(width, units)
        self.w_2 = nn.Linear(units, width)
        self.dropout = nn.Dropout(dropout_rate)
        self.activation = activation

    def pruning_groups(self) -> list[StructuredGroups]:
        """Return the units as groups."""
        members = [
            Member("w_1.weight", dim=0),
            Member("w_1.bias", dim=0, scored=False),
            Member("w_2.weight", dim=1, reads=True),
        ]
        return [StructuredGroups(self, "units", self.units, members)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(..., width)`` to ``(..., width)``."""
        return self.w_2(self.dropout(self.activation(self.w_1(x))))


# For each module of a layer, the encoder's option with its size and its own attribute
# with the size.
SIZES = {
    "self_attn": ("attention_heads", "num_heads"),
    "feed_forward": ("linear_units", "units"),
    "conv_module": ("conv_channels", "channels"),
    "feed_forward_macaron": ("macaron_units", "units"),
}


class ConformerLayer(nn.Module):
    """Feed-forward, attention, convolution, feed-forward, with ESPnet's names.

    - [0] Conformer, 2020, https://arxiv.org/abs/2005.08100, section 2.4

    Args:
        width: Width of the encoder.
        size: Numbers of heads, units and channels.
        head_width: Width of each head.
        kernel_size: Kernel size of the convolution, in frames.
        dropout_rate: Dropout rate after every module and of the units.
        attention_dropout_rate: Dropout rate of the attention weights.
        activation: Activation in feed-forward and convolution modules.
        macaron: Whether there are two feed-forward modules with weight 0.5.
        causal_only: See :class:`ConvolutionModule`.
    """

    def __init__(
        self,
        width: int,
        size: LayerSize,
        head_width: int,
        kernel_size: int,
        dropout_rate: float,
        attention_dropout_rate: float,
        activation: nn.Module,
        macaron: bool,
        causal_only: bool = False,
    ):
        super().__init__()
        self.self_attn = RelativeAttention(
            width, size.heads, head_width, attention_dropout_rate
        )
        self.feed_forward = FeedForward(width, size.units, dropout_rate, activation)
        self.feed_forward_macaron = None
        if macaron:
            self.feed_forward_macaron = FeedForward(
                width, size.macaron_units, dropout_rate, activation
            )
            self.norm_ff_macaron = nn.LayerNorm(width, eps=_EPS)
        self.conv_module = ConvolutionModule(
            width, size.channels, kernel_size, activation, causal_only
        )
        self.norm_mha = nn.LayerNorm(width, eps=_EPS)
        self.norm_conv = nn.LayerNorm(width, eps=_EPS)
        self.norm_ff = nn.LayerNorm(width, eps=_EPS)
        self.norm_final = nn.LayerNorm(width, eps=_EPS)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(
        self, x: torch.Tensor, codes: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        """Compute the full mode.

        Args:
            x: ``(batch, frames, width)``.
            codes: Position codes, ``(2 * frames - 1, width)``.
            valid: ``(batch, frames)``, False for padding.

        Returns:
            ``(batch, frames, width)``.
        """
        x = self._before(x)
        x = x + self.dropout(self.self_attn(self.norm_mha(x), codes, valid))
        x = x + self.dropout(self.conv_module(self.norm_conv(x), valid))
        return self._after(x)

    def forward_chunks(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        valid: Optional[torch.Tensor],
        cache: LayerCache,
        chunk: int,
    ) -> tuple[torch.Tensor, LayerCache]:
        """Compute the streaming mode.

        Args:
            x: ``(batch, chunks, chunk + ahead, width)``.
            positions: See :meth:`RelativeAttention.forward_chunks`.
            valid: ``(batch, chunks, left + chunk + ahead)``, False for padding; None if
                there is none.
            cache: Cache of the frames before the first chunk.
            chunk: Number of frames in a chunk.

        Returns:
            ``(batch, chunks, chunk + ahead, width)``, and the cache after the last
            chunk.
        """
        x = self._before(x)
        out, attention = self.self_attn.forward_chunks(
            self.norm_mha(x), positions, valid, cache.attention, chunk
        )
        x = x + self.dropout(out)
        own = None if valid is None else valid[:, :, valid.shape[2] - x.shape[2] :]
        out, convolution = self.conv_module.forward_chunks(
            self.norm_conv(x), own, cache.convolution, chunk
        )
        return self._after(x + self.dropout(out)), LayerCache(attention, convolution)

    def empty_cache(self, batch: int, left: int, like: torch.Tensor) -> LayerCache:
        """Return the cache before the first frame."""
        return LayerCache(
            self.self_attn.empty_cache(batch, left, like),
            self.conv_module.empty_cache(batch, like),
        )

    def _before(self, x: torch.Tensor) -> torch.Tensor:
        if self.feed_forward_macaron is None:
            return x
        out = self.feed_forward_macaron(self.norm_ff_macaron(x))
        return x + 0.5 * self.dropout(out)

    def _after(self, x: torch.Tensor) -> torch.Tensor:
        scale = 1.0 if self.feed_forward_macaron is None else 0.5
        x = x + scale * self.dropout(self.feed_forward(self.norm_ff(x)))
        return self.norm_final(x)
