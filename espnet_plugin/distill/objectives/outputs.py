"""The outputs of a model on a batch."""

from dataclasses import dataclass, replace
from typing import Optional

import torch

from espnet_plugin.tensors.frames import pool_frames

__all__ = ["EncoderOutputs"]


@dataclass
class EncoderOutputs:
    """The outputs of one encoder on one batch.

    Attributes:
        encoding: Output of the last encoder layer, ``(batch, frames, dim)``; None if
            only its mean was stored.
        log_posteriors: Log-softmax of the CTC layer, ``(batch, frames, vocabulary)``.
        lengths: Number of valid frames of each utterance, ``(batch,)``.
        pooled: Stored mean of the encoding over valid frames, ``(batch, dim)``, if any.
    """

    encoding: Optional[torch.Tensor]
    log_posteriors: torch.Tensor
    lengths: torch.Tensor
    pooled: Optional[torch.Tensor] = None

    def mean_encoding(self) -> torch.Tensor:
        """Return the mean encoding of each utterance, ``(batch, dim)``."""
        if self.pooled is not None:
            return self.pooled
        return pool_frames(self.encoding, self.lengths)

    def stand_in(self, dim: int) -> "EncoderOutputs":
        """Return the outputs with an encoding of ones of width ``dim``.

        When operations are counted on noise, this has the shapes of a teacher's stored
        outputs.
        """
        shape = (*self.encoding.shape[:-1], dim)
        return replace(self, encoding=self.encoding.new_ones(shape))
