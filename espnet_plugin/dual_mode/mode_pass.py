"""What one pass of dual-mode training gives: loss, statistics and outputs."""

from dataclasses import dataclass
from typing import Any, Mapping, Optional

import torch

__all__ = ["ModePass"]


@dataclass(frozen=True)
class ModePass:
    """The result of one mode for a batch.

    Attributes:
        loss: The loss of the mode, a scalar.
        stats: Statistics by name, without the name of the mode.
        lengths: Valid encoder frames, ``(batch,)``.
        log_posteriors: CTC log-posteriors, ``(batch, frames, vocabulary)``; None
            without a CTC layer, or if neither distillation nor the reference needs
            them.
        logits: Output of the transducer's joint network, ``(batch, frames, tokens + 1,
            vocabulary)``; None without a transducer.
    """

    loss: torch.Tensor
    stats: Mapping[str, Any]
    lengths: torch.Tensor
    log_posteriors: Optional[torch.Tensor] = None
    logits: Optional[torch.Tensor] = None
