"""Signatures of recordings that another level or added silence does not change.

A signature has the times at which shares of the energy have passed, and the times of
the highest samples. Both are compared up to a shift, see :mod:`.copies`.
"""

from typing import Optional

import numpy as np

__all__ = ["PEAKS", "SHARES", "UNIT", "HighestSamples", "signature"]

# Unit of the times in a signature, in seconds.
UNIT = 2e-5
# Numbers of shares of the energy, and of highest samples, in a signature.
SHARES, PEAKS = 15, 24
# Recordings with fewer frames than this are too short to be recognised.
_FEWEST = 2 * PEAKS


class HighestSamples:
    """The highest sample of each of the loudest frames, of audio that comes in pieces.

    Args:
        step: Length of a frame in samples.
    """

    def __init__(self, step: int):
        self._step = step
        self._heights = np.zeros(0)
        self._places = np.zeros(0, dtype=np.int64)

    def add(
        self, samples: np.ndarray, low: np.ndarray, high: np.ndarray, start: int
    ) -> None:
        """Add a piece.

        Args:
            samples: Its samples, ``(samples,)``.
            low: Lowest sample of each frame, ``(frames,)``.
            high: Highest sample of each frame.
            start: Number of samples before the piece.
        """
        # The last frame of the audio may be shorter: it is left out.
        whole = len(samples) // self._step
        heights = np.maximum(high[:whole], -low[:whole])
        best = np.arange(whole)
        if whole > PEAKS:
            best = np.argpartition(heights, -PEAKS)[-PEAKS:]
        frames = samples[: whole * self._step].reshape(whole, self._step)[best]
        places = start + best * self._step + np.abs(frames).argmax(axis=1)
        if not start:
            self._heights, self._places = heights[best], places
            return
        self._heights = np.concatenate([self._heights, heights[best]])
        self._places = np.concatenate([self._places, places])
        if len(self._heights) > PEAKS:
            kept = np.argpartition(self._heights, -PEAKS)[-PEAKS:]
            self._heights, self._places = self._heights[kept], self._places[kept]

    def places(self) -> np.ndarray:
        """Return their positions in samples, sorted."""
        return np.sort(self._places)


def signature(
    energy: np.ndarray, step: int, rate: int, peaks: np.ndarray
) -> Optional[bytes]:
    """Return the signature of a recording.

    Args:
        energy: Energy of each frame, ``(frames,)``.
        step: Length of a frame in samples.
        rate: Sampling rate in Hz.
        peaks: Positions of the highest samples, ``(PEAKS,)``.

    Returns:
        ``SHARES + PEAKS`` times as 32-bit integers; None for audio that is too short or
        too long, or nothing but zeros.
    """
    passed = np.concatenate([[0.0], np.cumsum(energy)])
    longest = np.iinfo(np.int32).max * UNIT
    if len(energy) < _FEWEST or passed[-1] <= 0.0:
        return None
    if len(peaks) < PEAKS or len(energy) * step / rate > longest:
        return None
    shares = np.arange(1, SHARES + 1) / (SHARES + 1) * passed[-1]
    frames = np.interp(shares, passed, np.arange(len(passed)))
    times = np.concatenate([frames * step, peaks]) / rate / UNIT
    return np.round(times).astype("<i4").tobytes()
