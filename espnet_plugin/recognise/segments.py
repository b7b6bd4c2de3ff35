"""Cut long audio into segments where it is quietest."""

from dataclasses import dataclass
from typing import Iterable, Iterator

import numpy as np

from espnet_plugin.errors import UserError

__all__ = ["Segment", "Segmenter", "quietest"]

# Energy is computed in frames of this length and averaged over this number of frames:
# 0.15 s, longer than the closure of a stop consonant and shorter than a useful pause.
FRAME_SECONDS = 0.01
SMOOTHING_FRAMES = 15
# Levels up to this far above the minimum are part of a pause.
PAUSE_DB = 3.0
_FLOOR = 1e-10


@dataclass(frozen=True)
class Segment:
    """A segment of a signal.

    Attributes:
        start: Index of its first sample in the signal.
        samples: ``(samples,)``.
    """

    start: int
    samples: np.ndarray


class Segmenter:
    """Cuts a signal that arrives in blocks; it holds at most one segment and a block.

    There is no fixed threshold for silence. While more than ``max_seconds`` are left,
    the next cut is in the middle of the longest pause between ``max_seconds / 2`` and
    ``max_seconds``. A pause is where the level is within ``PAUSE_DB`` of the minimum in
    that range. So a noisy recording is also cut where it is quietest. Without any
    pause, the cut may be within a word. Audio of up to ``max_seconds`` is not cut.

    Args:
        sample_rate: Sampling rate in Hz.
        max_seconds: Longest duration of a segment in seconds.

    Raises:
        UserError: If ``max_seconds`` is less than one second.
    """

    def __init__(self, sample_rate: int, max_seconds: float):
        if not max_seconds >= 1.0:
            raise UserError(
                f"--max_segment_seconds {max_seconds}: must be at least 1 second"
            )
        self._frame = max(1, round(FRAME_SECONDS * sample_rate))
        self._most = int(max_seconds * sample_rate)

    def split(self, blocks: Iterable[np.ndarray]) -> Iterator[Segment]:
        """Yield the segments in order; together they are the whole signal."""
        held, start = np.zeros(0, np.float32), 0
        for block in blocks:
            held = np.concatenate([held, block])
            while len(held) > self._most:
                cut = self._cut(held[: self._most])
                yield Segment(start, held[:cut])
                held, start = held[cut:], start + cut
        if len(held):
            yield Segment(start, held)

    def _cut(self, samples: np.ndarray) -> int:
        first = len(samples) // 2
        frames = (len(samples) - first) // self._frame
        part = samples[first : first + frames * self._frame]
        power = np.square(part.reshape(frames, -1), dtype=np.float64).mean(axis=1)
        width = min(SMOOTHING_FRAMES, frames)
        smooth = np.convolve(power, np.full(width, 1.0 / width), mode="valid")
        # The value at ``i`` is the mean of the frames ``i`` to ``i + width - 1``.
        place = quietest(10.0 * np.log10(smooth + _FLOOR)) + width / 2
        return first + round(place * self._frame)


def quietest(levels: np.ndarray) -> float:
    """Return the middle of the longest stretch near the minimum.

    Args:
        levels: Levels in dB, ``(positions,)``, at least one.

    Returns:
        A position, or a value half-way between two. Of equally long stretches, the last
        one is used.
    """
    low = levels <= levels.min() + PAUSE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]])))
    starts, ends = edges[::2], edges[1::2]
    lengths = ends - starts
    longest = len(lengths) - 1 - int(np.argmax(lengths[::-1]))
    return (starts[longest] + ends[longest] - 1) / 2
