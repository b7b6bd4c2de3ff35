"""The Conformer's convolution module: symmetric in one mode, causal in the other."""

from typing import Optional

import torch
from torch import nn

from espnet_plugin.dual_mode.attention import with_left
from espnet_plugin.dual_mode.groups import Member, StructuredGroups

__all__ = ["ConvolutionModule", "norm_of_kept"]


def norm_of_kept(
    x: torch.Tensor, norm: nn.LayerNorm, kept: Optional[torch.Tensor]
) -> torch.Tensor:
    """Normalise over the kept channels only, as in the network without the others.

    Args:
        x: ``(..., channels)``.
        norm: Gains, biases and epsilon.
        kept: ``(channels,)`` of zeros and ones; None: all are kept. The results of
            other channels are computed with the same statistics and must not be used.

    Returns:
        ``(..., channels)``.
    """
    if kept is None:
        return norm(x)
    kept = kept.to(x.dtype)
    count = kept.sum()
    centred = x - (x * kept).sum(-1, keepdim=True) / count
    variance = (centred * kept).square().sum(-1, keepdim=True) / count
    return centred * torch.rsqrt(variance + norm.eps) * norm.weight + norm.bias


class ConvolutionModule(nn.Module):
    """Gated point-wise, depth-wise and point-wise convolution, with ESPnet's names.

    The normalisation is a LayerNorm. Batch normalisation would need separate statistics
    for the two modes.

    - [0] Conformer, 2020, https://arxiv.org/abs/2005.08100, section 2.2

    Args:
        width: Width of the encoder.
        channels: Channels of the depth-wise convolution.
        kernel_size: Kernel size in frames, odd; the streaming mode uses its left half
            and its centre.
        activation: Activation after the normalisation.
        causal_only: Whether only this part of the kernel is kept; then there is no full
            mode.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        kernel_size: int,
        activation: nn.Module,
        causal_only: bool = False,
    ):
        super().__init__()
        self.reach = (kernel_size - 1) // 2
        self.channels, self.causal_only = channels, causal_only
        # The channels kept by a mask while it is applied; see masks.py.
        self.kept: Optional[torch.Tensor] = None
        self.pointwise_conv1 = nn.Conv1d(width, 2 * channels, 1)
        taps = self.reach + 1 if causal_only else kernel_size
        self.depthwise_conv = nn.Conv1d(channels, channels, taps, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.activation = activation
        self.pointwise_conv2 = nn.Conv1d(channels, width, 1)

    def pruning_groups(self) -> list[StructuredGroups]:
        """Return the channels of the depth-wise convolution as groups."""
        members = [
            Member("pointwise_conv1.weight", dim=0, parts=2),
            Member("pointwise_conv1.bias", dim=0, parts=2, scored=False),
            Member("depthwise_conv.weight", dim=0),
            Member("depthwise_conv.bias", dim=0, scored=False),
            Member("norm.weight", dim=0, scored=False),
            Member("norm.bias", dim=0, scored=False),
            Member("pointwise_conv2.weight", dim=1, reads=True),
        ]
        return [StructuredGroups(self, "channels", self.channels, members)]

    def forward(self, x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Convolve with the whole kernel.

        Args:
            x: ``(batch, frames, width)``.
            valid: ``(batch, frames)``, False where there is padding.

        Returns:
            ``(batch, frames, width)``.
        """
        gated = self._gate(x, valid).transpose(1, 2)
        conv = self.depthwise_conv
        mixed = nn.functional.conv1d(
            gated, conv.weight, conv.bias, padding=self.reach, groups=self.channels
        )
        return self._finish(mixed.transpose(1, 2))

    def forward_chunks(
        self,
        x: torch.Tensor,
        valid: Optional[torch.Tensor],
        cache: torch.Tensor,
        chunk: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Convolve with the left half of the kernel and its centre.

        Args:
            x: ``(batch, chunks, chunk + ahead, width)``.
            valid: ``(batch, chunks, chunk + ahead)``, False for padding; None if there
                is none.
            cache: Gated frames before the first chunk, ``(batch, reach, channels)``.
            chunk: Number of frames in a chunk.

        Returns:
            ``(batch, chunks, chunk + ahead, width)``, and the cache after the last
            chunk.
        """
        inputs, after = with_left(cache, self._gate(x, valid), chunk)
        inputs, conv, taps = inputs.flatten(0, 1), self.depthwise_conv, self.reach + 1
        weight = conv.weight[:, :, :taps]
        if len(inputs) == 1 and not torch.is_grad_enabled():
            # For one chunk, setting up the library's convolution takes several times as
            # long as the arithmetic.
            windows = inputs.unfold(1, taps, 1)  # (1, frames, channels, taps)
            mixed = (windows * weight[:, 0]).sum(-1) + conv.bias
        else:
            mixed = nn.functional.conv1d(
                inputs.transpose(1, 2), weight, conv.bias, groups=self.channels
            ).transpose(1, 2)
        return self._finish(mixed.unflatten(0, x.shape[:2])), after

    def empty_cache(self, batch: int, like: torch.Tensor) -> torch.Tensor:
        """Return the cache before the first frame."""
        return like.new_zeros(batch, self.reach, self.channels)

    def _gate(self, x: torch.Tensor, valid: Optional[torch.Tensor]) -> torch.Tensor:
        first = self.pointwise_conv1
        x = nn.functional.linear(x, first.weight[:, :, 0], first.bias)
        x = nn.functional.glu(x, dim=-1)
        if valid is None:
            return x
        # Padded frames are no longer zero because of the biases.
        return x.masked_fill(~valid[..., None], 0.0)

    def _finish(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(norm_of_kept(x, self.norm, self.kept))
        last = self.pointwise_conv2
        return nn.functional.linear(x, last.weight[:, :, 0], last.bias)
