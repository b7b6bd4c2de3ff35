"""A model of the recogniser, in whatever runtime it runs."""

from typing import Protocol, Sequence

import numpy as np

__all__ = ["CtcModel"]


class CtcModel(Protocol):
    """What the recogniser needs of a model.

    Attributes:
        sample_rate: The rate of the samples it takes, in Hz.
        tokens: Symbols of the CTC layer by number.
        token_type: ``char``, ``bpe``, ``word`` or ``phn``: how tokens write words.
        blank: Number of the blank.
        frame_seconds: Seconds from one frame of the output to the next.
        first_frame_seconds: Centre of what the first frame is computed from.
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
            ``(frames, vocabulary)``; no frame if the samples are too few.
        """
        ...

    def checksum(self) -> str:
        """Return the SHA-256 of the model's file: its calibration is of that one."""
        ...
