"""Convert the sampling rate block by block."""

from math import ceil, gcd
from typing import Iterable, Iterator

import numpy as np
from scipy.signal import firwin, resample_poly

__all__ = ["resample_blocks"]

# Zero crossings of the filter on each side, and its window: scipy's defaults.
_HALF_FILTER = 10
_WINDOW = ("kaiser", 5.0)


def resample_blocks(
    blocks: Iterable[np.ndarray], rate: int, wanted: int
) -> Iterator[np.ndarray]:
    """Resample a signal that arrives in blocks.

    Each block is filtered with as much of its neighbours as the filter needs. So the
    result is that of ``scipy.signal.resample_poly`` on the whole signal.

    Args:
        blocks: Blocks ``(samples,)`` of any length.
        rate: Sampling rate of the blocks in Hz.
        wanted: Sampling rate of the result in Hz.
    """
    common = gcd(rate, wanted)
    up, down = wanted // common, rate // common
    half = _HALF_FILTER * max(up, down)
    taps = firwin(2 * half + 1, 1.0 / max(up, down), window=_WINDOW)
    # Blocks are cut where an input and an output sample coincide: every ``down``.
    context = ceil(ceil(half / up) / down) * down
    taps = taps.astype(np.float32)
    held, before = np.zeros(0, np.float32), 0
    for block in blocks:
        held = np.concatenate([held, block])
        ready = (len(held) - before - context) // down * down
        if ready <= 0:
            continue
        part = held[: before + ready + context]
        yield _middle(part, up, down, before, ready, taps)
        keep = min(context, before + ready)
        held, before = held[before + ready - keep :], keep
    if len(held) > before:
        yield _middle(held, up, down, before, len(held) - before, taps)


def _middle(part, up, down, before, length, taps) -> np.ndarray:
    """Resample a block with its context, and return the samples of the block."""
    done = resample_poly(part, up, down, window=taps)
    first = before * up // down
    return done[first : first + ceil(length * up / down)]
