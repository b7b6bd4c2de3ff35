"""Consistency of two augmented views of the same utterances."""

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.errors import UserError
from espnet_plugin.tensors.frames import frame_mask

__all__ = ["VIEWS", "Consistency", "split_views", "symmetric_divergence"]

VIEWS = 2


def symmetric_divergence(first: EncoderOutputs, second: EncoderOutputs) -> torch.Tensor:
    """Return how much the posteriors of two views of the same utterances differ.

    Each view is trained to match the other, which gets no gradient from that: the mean
    of both Kullback-Leibler divergences, summed over the valid frames of an utterance
    as the CTC loss is.

    - [0] CR-CTC: Consistency Regularization on CTC for Improved Speech Recognition,
      2024, https://arxiv.org/abs/2410.05101, section 3.1.

    Args:
        first: Log-posteriors ``(batch, frames, vocabulary)``.
        second: Log-posteriors of the same utterances.

    Returns:
        The mean over the utterances, in nats.
    """
    ours, theirs = first.log_posteriors, second.log_posteriors
    mask = frame_mask(first.lengths, ours.size(1))[..., None]
    # Masked before the distance, because NaN in padding would make gradients NaN.
    ours, theirs = (item.masked_fill(~mask, 0.0) for item in (ours, theirs))
    total = sum(
        F.kl_div(learner, target.detach(), reduction="sum", log_target=True)
        for learner, target in ((ours, theirs), (theirs, ours))
    )
    return total / (2 * len(first.lengths))


def split_views(outputs: EncoderOutputs, views: int) -> Sequence[EncoderOutputs]:
    """Split the outputs of a batch that holds all views one after the other.

    Args:
        outputs: The outputs for ``views x batch`` utterances.
        views: Number of views.

    Returns:
        The outputs of each view.
    """
    parts = zip(
        outputs.encoding.chunk(views),
        outputs.log_posteriors.chunk(views),
        outputs.lengths.chunk(views),
    )
    return [EncoderOutputs(*part) for part in parts]


class Consistency(nn.Module):
    """The weight of the consistency loss, which rises during the first updates.

    Args:
        weight: Final weight, relative to CTC. 0: there is one view and no such loss.
        warmup: Number of updates in which the weight rises from 0 in equal steps. A
            model that knows nothing yet agrees with itself most easily by predicting
            only blanks.

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

    @property
    def views(self) -> int:
        """Number of views of each utterance in a training step."""
        return VIEWS if self.weight else 1

    def next_weight(self, training: bool) -> float:
        """Return the weight of this step, and count the step.

        Args:
            training: Whether the step is followed by an update.
        """
        if not training:
            return self.weight
        self.updates += 1
        if not self.warmup:
            return self.weight
        return self.weight * min(1.0, self.updates.item() / self.warmup)
