"""Long audio in pieces, cut where it is quietest."""

from dataclasses import dataclass
from typing import Iterable, Iterator

import numpy as np

from espnet_plugin.errors import UserError

__all__ = ["Segment", "Segmenter", "quietest"]

# Energy is measured in frames of that length, smoothed over that many of them: a stop
# consonant is silent for less than 0.15 s, and a pause worth cutting in lasts longer.
FRAME_SECONDS = 0.01
SMOOTHING_FRAMES = 15
# Whatever is within that of the quietest place counts as the same pause.
PAUSE_DB = 3.0
_FLOOR = 1e-10


@dataclass(frozen=True)
class Segment:
    """A piece of a signal.

    Attributes:
        start: Its first sample, counted from the beginning of the signal.
        samples: ``(samples,)``.
    """

    start: int
    samples: np.ndarray


class Segmenter:
    """Cuts a signal that comes in blocks; at most one piece and a block are held.

    No threshold says what is silence: as long as more than ``max_seconds`` are left,
    the cut is made in the middle of the longest pause between ``max_seconds / 2`` and
    ``max_seconds``, a pause being what is within ``PAUSE_DB`` of the quietest place
    there. So a noisy recording is cut at its quietest places as well, and what is no
    longer than ``max_seconds`` is left whole. Without any pause it is cut all the same,
    at the quietest place, perhaps within a word.

    Args:
        sample_rate: Sampling rate in Hz.
        max_seconds: No piece is longer than this.

    Raises:
        UserError: If that is below one second.
    """

    def __init__(self, sample_rate: int, max_seconds: float):
        if not max_seconds >= 1.0:
            raise UserError(
                f"--max_segment_seconds {max_seconds}: must be at least 1 second"
            )
        self._frame = max(1, round(FRAME_SECONDS * sample_rate))
        self._most = int(max_seconds * sample_rate)

    def split(self, blocks: Iterable[np.ndarray]) -> Iterator[Segment]:
        """Yield the pieces in order; together they are the whole signal."""
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
        # The value at ``i`` is of the frames ``i`` to ``i + width - 1``.
        place = quietest(10.0 * np.log10(smooth + _FLOOR)) + width / 2
        return first + round(place * self._frame)


def quietest(levels: np.ndarray) -> float:
    """Return the middle of the longest stretch near the minimum; the last of equals.

    Args:
        levels: ``(places,)`` in dB, at least one.

    Returns:
        A place, or half-way between two.
    """
    low = levels <= levels.min() + PAUSE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]])))
    starts, ends = edges[::2], edges[1::2]
    lengths = ends - starts
    longest = len(lengths) - 1 - int(np.argmax(lengths[::-1]))
    return (starts[longest] + ends[longest] - 1) / 2
