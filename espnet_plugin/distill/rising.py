"""A weight of a loss that rises during the first updates of a training."""

import torch
from torch import nn

from espnet_plugin.errors import UserError

__all__ = ["RisingWeight"]


class RisingWeight(nn.Module):
    """The weight of a loss, which rises during the first updates.

    Args:
        weight: Final weight. 0: there is no such loss.
        warmup: Number of updates in which the weight rises from 0 in equal steps.

    Raises:
        UserError: If a number is below 0.
    """

    def __init__(self, weight: float = 0.0, warmup: int = 0):
        super().__init__()
        if not 0 <= weight < float("inf"):
            raise UserError(f"weight {weight}: must be 0 or more")
        if warmup < 0:
            raise UserError(f"warmup {warmup}: must be 0 or more updates")
        self.weight = float(weight)
        self.warmup = warmup
        if self.weight:
            # In the checkpoint, so that an interrupted training goes on where it was.
            self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def next_weight(self, training: bool) -> float:
        """Return the weight of this step, and count the step.

        Args:
            training: Whether the step is followed by an update.
        """
        if not training:
            return self.weight
        if not self.weight:
            return 0.0
        self.updates += 1
        if not self.warmup:
            return self.weight
        return self.weight * min(1.0, self.updates.item() / self.warmup)
