"""The interface of models that the recogniser uses, for any runtime."""

from typing import Protocol, Sequence

import numpy as np

__all__ = ["CtcModel"]


class CtcModel(Protocol):
    """Interface of a model.

    Attributes:
        sample_rate: Sampling rate of the input in Hz.
        tokens: Symbols of the CTC layer by index.
        token_type: ``char``, ``bpe``, ``word`` or ``phn``: how tokens form words.
        blank: Index of the blank.
        frame_seconds: Duration from one frame of the output to the next in seconds.
        first_frame_seconds: Centre of the audio from which the first frame is computed,
            in seconds.
    """

    sample_rate: int
    tokens: Sequence[str]
    token_type: str
    blank: int
    frame_seconds: float
    first_frame_seconds: float

    def log_posteriors(self, samples: np.ndarray) -> np.ndarray:
        """Return the log-softmax of the CTC layer.

        Args:
            samples: ``(samples,)`` float32 in [-1, 1], one channel.

        Returns:
            ``(frames, vocabulary)``; zero frames if there are too few samples.
        """
        ...

    def checksum(self) -> str:
        """Return the SHA-256 of the model's file, to which a calibration refers."""
        ...
