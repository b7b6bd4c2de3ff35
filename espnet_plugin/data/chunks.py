"""Drop chunks of time from training audio: fine-grained dynamic data pruning."""

from typing import Any, Callable, Optional

import numpy as np

__all__ = ["ChunkDropper", "drop_chunks"]


def drop_chunks(
    samples: np.ndarray, keep: float, chunk: int, random: Any = np.random
) -> np.ndarray:
    """Return audio without some of its chunks; the others are joined in order.

    - [0] Dynamic Data Pruning for Automatic Speech Recognition, 2024,
      https://arxiv.org/abs/2406.18373: pieces of time may be left out as well as
      utterances, chunks better than single points. The abstract does not give
      the length of a chunk or how chunks are chosen; here they are drawn at random.

    Args:
        samples: ``(samples, ...)`` or ``(frames, features)``.
        keep: Share of the whole chunks to keep.
        chunk: Length of a chunk in samples or frames; a shorter one at the end is kept.
        random: Random generator with numpy's ``choice``.
    """
    count = len(samples) // chunk
    dropped = min(round((1.0 - keep) * count), count - 1)
    if dropped < 1:
        return samples
    kept = np.ones(len(samples), dtype=bool)
    for index in random.choice(count, dropped, replace=False):
        kept[index * chunk : (index + 1) * chunk] = False
    return samples[kept]


class ChunkDropper:
    """ESPnet's preprocessing, followed by dropping chunks of the speech.

    Args:
        preprocess: ESPnet's preprocessor of training data; None if there is none
            (``use_preprocessor``).
        keep: Share of the whole chunks to keep, see :func:`drop_chunks`.
        chunk: Length of a chunk in samples, or in frames of features.
    """

    def __init__(self, preprocess: Optional[Callable], keep: float, chunk: int):
        self._preprocess, self._keep, self._chunk = preprocess, keep, chunk

    def __call__(self, uid: str, data: dict) -> dict:
        """Return the data of one utterance."""
        if self._preprocess is not None:
            data = self._preprocess(uid, data)
        # numpy's own generator, which ESPnet seeds in every loading process and epoch.
        speech = drop_chunks(data["speech"], self._keep, self._chunk)
        return {**data, "speech": speech}
