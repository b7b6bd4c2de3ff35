"""Training options of probes, in a module that does not import torch."""

import math
from dataclasses import dataclass

from espnet_plugin.errors import UserError

__all__ = ["ProbeOptions"]


@dataclass(frozen=True)
class ProbeOptions:
    """Training options of the probes.

    Attributes:
        epochs: Number of passes over the training utterances.
        batch_size: Number of utterances in a batch.
        learning_rate: Initial learning rate of Adam; it falls to 0 linearly.
        seed: Seed of the weights and of the order of the batches.

    Raises:
        UserError: If a value is out of range.
    """

    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 0.01
    seed: int = 1

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} {getattr(self, name)}: must be at least 1")
        if not 0.0 < self.learning_rate < math.inf:
            raise UserError(f"learning_rate {self.learning_rate}: must be above 0")
