"""Which feature frames belong to an encoder frame.

Plain torch.
"""

from dataclasses import dataclass

import torch

from espnet_plugin.errors import UserError

__all__ = ["FrameStacking"]


@dataclass(frozen=True)
class FrameStacking:
    """As many feature frames for each encoder frame as the encoder sub-samples by.

    A sub-sampling without padding computes encoder frame ``t`` from the feature frames
    ``t * stride`` to ``t * stride + span - 1`` (``conv2d``: stride 4, span 7). The
    spans overlap; the ``stride`` frames in the middle of each do not, and no encoder
    frame is without them, whatever the length of the utterance. They are the frames
    ``t * stride + offset`` to ``(t + 1) * stride + offset - 1``.

    Attributes:
        stride: Feature frames from one encoder frame to the next.
        span: Feature frames that one encoder frame is computed from.

    Raises:
        UserError: If encoder frames would leave out some of the feature frames.
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
        """Feature frames before the ones that belong to the first encoder frame."""
        return (self.span - self.stride) // 2

    def frames(self, num_frames: int) -> int:
        """Return the encoder frames of so many feature frames."""
        return max((num_frames - self.span) // self.stride + 1, 0)

    def stack(self, features: torch.Tensor) -> torch.Tensor:
        """Join the feature frames of each encoder frame.

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
            num_frames: Feature frames.

        Returns:
            ``(batch, num_frames)``.
        """
        spread = mask.new_zeros(len(mask), num_frames)
        inner = mask.repeat_interleave(self.stride, dim=1)
        spread[:, self.offset : self.offset + inner.shape[1]] = inner
        return spread
