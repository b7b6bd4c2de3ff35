"""Draw the frames that an encoder has to predict.

Plain torch.
"""

from typing import Optional

import torch
from torch import nn

from espnet_plugin.errors import UserError

__all__ = ["SpanMask"]


class SpanMask(nn.Module):
    """Draw spans of valid frames, which may overlap but do not extend into padding.

    The number of spans is ``start_probability`` times the number of frames, randomly
    rounded, but at least one if a span fits. So about ``1 - (1 - start_probability) **
    span_frames`` of the frames are masked.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 3.1 and
        appendix A. Its 0.065 and 10 frames of 20 ms correspond to 0.13 and 5 frames of
        40 ms: spans of the same length, and about half of the frames masked.

    Args:
        start_probability: Share of the frames that begin a span.
        span_frames: Encoder frames in a span.

    Raises:
        UserError: If a number is out of range.
    """

    def __init__(self, start_probability: float = 0.13, span_frames: int = 5):
        super().__init__()
        if not 0.0 < start_probability <= 1.0:
            raise UserError(
                f"start_probability {start_probability}: must be above 0 and at most 1"
            )
        if span_frames < 1:
            raise UserError(f"span_frames {span_frames}: must be at least 1")
        self.start_probability, self.span_frames = start_probability, span_frames

    def forward(
        self,
        lengths: torch.Tensor,
        frames: int,
        generator: Optional[torch.Generator] = None,
    ) -> torch.Tensor:
        """Draw a mask.

        Args:
            lengths: Numbers of valid frames, ``(batch,)``.
            frames: Number of frames with padding.
            generator: Random numbers, on the CPU; torch's own if None.

        Returns:
            ``(batch, frames)``, True where masked. Nothing is masked in utterances that
            are shorter than a span.
        """
        device, lengths = lengths.device, lengths.cpu()
        places = (lengths - self.span_frames + 1).clamp(min=0)
        rounding = torch.rand(len(lengths), generator=generator)
        wanted = (self.start_probability * lengths + rounding).floor().long()
        wanted = torch.minimum(wanted.clamp(min=1), places)
        order = torch.rand(len(lengths), frames, generator=generator)
        along = torch.arange(frames)
        order = order.masked_fill(along >= places[:, None], 2.0).argsort(1)
        starts = torch.zeros(len(lengths), frames, dtype=torch.long)
        starts.scatter_(1, order, (along < wanted[:, None]).long())
        begun = starts.cumsum(1)
        over = nn.functional.pad(begun, (self.span_frames, 0))[:, :frames]
        return (begun > over).to(device)
