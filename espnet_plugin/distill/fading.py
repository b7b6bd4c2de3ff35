"""A weight of the reference's losses that falls while a student is trained."""

import torch
from torch import nn

from espnet_plugin.errors import UserError

__all__ = ["Fading"]


class Fading(nn.Module):
    """The weight of all objectives, which falls from 1 in equal steps.

    The reference teaches quickly at the start, but its outputs contain its own errors.
    With a weight that falls, the transcripts dominate at the end.

    Args:
        end: Weight in the last step; 1: it does not change.

    Attributes:
        steps: Number of steps of the whole training; 0 until it is known.

    Raises:
        UserError: If ``end`` is out of range.
    """

    def __init__(self, end: float = 1.0):
        super().__init__()
        if not 0 <= end <= 1:
            raise UserError(f"end {end}: must be from 0 to 1")
        self.end = float(end)
        self.steps = 0
        if self.end < 1:
            # In the checkpoint, so that an interrupted training goes on where it was.
            self.register_buffer("done", torch.zeros((), dtype=torch.long))

    def next_weight(self, training: bool) -> float:
        """Return the weight of this step, and count the step.

        Args:
            training: Whether this is a step of the training. On the development set the
                weight is that of the last step, so that epochs can be compared.

        Raises:
            UserError: If the number of steps is not known.
        """
        if self.end == 1 or not training:
            return self.end
        if not self.steps:
            raise UserError(
                "model_conf.fading: the length of the training is not known here: use "
                "espnet_plugin.tasks.encrl (stage 5 of the recipes), or remove it"
            )
        share = min(1.0, self.done.item() / max(1, self.steps - 1))
        self.done += 1
        return 1.0 + (self.end - 1.0) * share
