"""Sub-sampling by convolutions, with a known span of features for each frame."""

from dataclasses import dataclass
from typing import Optional, Sequence

import torch
from torch import nn

from espnet_plugin.data.frames import encoder_frames
from espnet_plugin.dual_mode.groups import Member, StructuredGroups
from espnet_plugin.errors import UserError

__all__ = ["INPUT_LAYERS", "Latency", "Subsampling", "too_short"]

# (kernel, stride) of each convolution in time and frequency, as in ESPnet.
INPUT_LAYERS = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
}


@dataclass(frozen=True)
class Latency:
    """The parts of the streaming mode's latency, in milliseconds.

    Attributes:
        chunk_ms: Duration of a chunk, for which its first frame waits.
        look_ahead_ms: Duration of the look-ahead.
        front_end_ms: Feature frames after its own that the last encoder frame reads.
        window_ms: Second half of the last feature frame, ``n_fft / 2`` samples.
    """

    chunk_ms: float
    look_ahead_ms: float
    front_end_ms: float
    window_ms: float

    @property
    def total_ms(self) -> float:
        """Latency of the first frame of a chunk, without computation.

        This is the time from the middle of the first feature frame of a chunk to the
        last sample that the chunk needs. The last frame waits nearly ``chunk_ms`` less.
        """
        return self.chunk_ms + self.look_ahead_ms + self.front_end_ms + self.window_ms


class Subsampling(nn.Module):
    """Two or three convolutions and a linear layer, with ESPnet's names.

    Nothing is padded, so encoder frame ``t`` is computed from the feature frames
    ``t * stride`` to ``t * stride + span - 1`` and no others, in both modes.

    Args:
        input_size: Number of features per frame.
        width: Width of the encoder, that of the output.
        input_layer: A key of ``INPUT_LAYERS``.
        channels: Channels of each convolution; None: the width.

    Attributes:
        stride: Number of feature frames between encoder frames.
        span: Number of feature frames from which an encoder frame is computed.

    Raises:
        UserError: If the layer is unknown, there are too few features, or the channels
            do not fit.
    """

    def __init__(
        self,
        input_size: int,
        width: int,
        input_layer: str,
        channels: Optional[Sequence[int]] = None,
    ):
        super().__init__()
        if input_layer not in INPUT_LAYERS:
            raise UserError(
                f"input_layer {input_layer!r}: must be one of {', '.join(INPUT_LAYERS)}"
            )
        bins = encoder_frames(input_size, input_layer)
        if bins < 1:
            raise UserError(
                f"input_size {input_size}: too few features for {input_layer}: use "
                "more mel bins"
            )
        self.input_layer = input_layer
        layers = INPUT_LAYERS[input_layer]
        self.channels = [width] * len(layers) if channels is None else list(channels)
        if len(self.channels) != len(layers) or min(self.channels) < 1:
            raise UserError(
                f"front_channels {channels!r}: give {len(layers)} numbers, at least 1, "
                f"one for each convolution of {input_layer}"
            )
        self.stride, self.span, parts, before = 1, 1, [], 1
        for (kernel, stride), count in zip(layers, self.channels):
            parts += [nn.Conv2d(before, count, kernel, stride), nn.ReLU()]
            before = count
            self.span += (kernel - 1) * self.stride
            self.stride *= stride
        self.conv = nn.Sequential(*parts)
        self.out = nn.Linear(before * bins, width)

    def pruning_groups(self) -> list[StructuredGroups]:
        """Return the channels of each convolution as groups."""
        sets = []
        for number, count in enumerate(self.channels):
            last = number + 1 == len(self.channels)
            reader = "out" if last else f"conv.{2 * number + 2}"
            members = [
                Member(f"conv.{2 * number}.weight", dim=0),
                Member(f"conv.{2 * number}.bias", dim=0, scored=False),
                Member(f"{reader}.weight", dim=1, reads=True),
            ]
            part = f"conv.{2 * number}"
            sets.append(
                StructuredGroups(self, "front_end", count, members, part, place=number)
            )
        return sets

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Sub-sample.

        Args:
            features: ``(batch, frames, input_size)``; at least ``span`` frames.

        Returns:
            ``(batch, self.frames(frames), width)``.
        """
        x = self.conv(features[:, None])
        return self.out(x.transpose(1, 2).flatten(2))

    def frames(self, num_frames):
        """Return the number of encoder frames for a number of feature frames.

        Args:
            num_frames: Number of feature frames, an int or a tensor.
        """
        if isinstance(num_frames, torch.Tensor):
            whole = torch.div(
                num_frames - self.span, self.stride, rounding_mode="floor"
            )
            return (whole + 1).clamp(min=0)
        return max((num_frames - self.span) // self.stride + 1, 0)

    def latency(
        self, chunk: int, look_ahead: int, hop_ms: float, window_ms: float
    ) -> Latency:
        """Return the latency of the streaming mode.

        Args:
            chunk: Encoder frames in a chunk.
            look_ahead: Encoder frames after a chunk to which it attends.
            hop_ms: Milliseconds between feature frames.
            window_ms: Milliseconds of audio of one feature frame (``n_fft``), centred.
        """
        return Latency(
            chunk_ms=chunk * self.stride * hop_ms,
            look_ahead_ms=look_ahead * self.stride * hop_ms,
            front_end_ms=(self.span - 1 - self.stride) * hop_ms,
            window_ms=window_ms / 2,
        )


def too_short(frames: int, needed: int) -> Exception:
    """Return the exception for which ESPnet's inference returns an empty text.

    Args:
        frames: Number of feature frames.
        needed: Number of feature frames that are needed.
    """
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
        TooShortUttError,
    )

    return TooShortUttError(
        f"has {frames} frames and is too short for subsampling (it needs at least "
        f"{needed} frames), return empty results",
        frames,
        needed,
    )
