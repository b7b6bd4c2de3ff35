"""Assign feature frames to encoder frames.

Plain torch.
"""

from dataclasses import dataclass

import torch

from espnet_plugin.errors import UserError

__all__ = ["FrameStacking"]


@dataclass(frozen=True)
class FrameStacking:
    """Assigns ``stride`` feature frames to each encoder frame.

    A subsampling without padding computes encoder frame ``t`` from the feature frames
    ``t * stride`` to ``t * stride + span - 1`` (``conv2d``: stride 4, span 7). The
    spans overlap, but the ``stride`` frames in the middle of each do not, and they
    exist for every encoder frame. They are the frames ``t * stride + offset`` to ``(t +
    1) * stride + offset - 1``.

    Attributes:
        stride: Number of feature frames from one encoder frame to the next.
        span: Number of feature frames from which one encoder frame is computed.

    Raises:
        UserError: If ``stride`` is not from 1 to ``span``.
    """

    stride: int
    span: int

    def __post_init__(self):
        if not 1 <= self.stride <= self.span:
            raise UserError(
                f"stride {self.stride}, span {self.span}: each encoder frame must read "
                "at least the feature frames up to the next one"
            )

    @property
    def offset(self) -> int:
        """Number of feature frames before those of the first encoder frame."""
        return (self.span - self.stride) // 2

    def frames(self, num_frames: int) -> int:
        """Return the number of encoder frames for a number of feature frames."""
        return max((num_frames - self.span) // self.stride + 1, 0)

    def stack(self, features: torch.Tensor) -> torch.Tensor:
        """Concatenate the feature frames of each encoder frame.

        Args:
            features: ``(batch, frames, features)``.

        Returns:
            ``(batch, encoder frames, stride * features)``, in the order of time.
        """
        count = self.frames(features.shape[1])
        used = features[:, self.offset : self.offset + count * self.stride]
        return used.unflatten(1, (count, self.stride)).flatten(2)

    def spread(self, mask: torch.Tensor, num_frames: int) -> torch.Tensor:
        """Mark the feature frames of the marked encoder frames.

        Args:
            mask: ``(batch, encoder frames)``.
            num_frames: Number of feature frames.

        Returns:
            ``(batch, num_frames)``.
        """
        spread = mask.new_zeros(len(mask), num_frames)
        inner = mask.repeat_interleave(self.stride, dim=1)
        spread[:, self.offset : self.offset + inner.shape[1]] = inner
        return spread
