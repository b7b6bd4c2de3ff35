"""Consistency of two augmented views of the same utterances."""

from typing import Sequence

import torch
import torch.nn.functional as F

from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.rising import RisingWeight
from espnet_plugin.tensors.frames import frame_mask

__all__ = [
    "VIEWS",
    "Consistency",
    "divergence_from",
    "split_views",
    "symmetric_divergence",
]

VIEWS = 2


def divergence_from(target: EncoderOutputs, learner: EncoderOutputs) -> torch.Tensor:
    """Return how much the posteriors of one output differ from those of another.

    Args:
        target: Log-posteriors ``(batch, frames, vocabulary)``; they get no gradient.
        learner: Log-posteriors of the same utterances.

    Returns:
        The Kullback-Leibler divergence in nats, summed over the valid frames of an
        utterance as the CTC loss is, and averaged over the utterances.
    """
    mask = frame_mask(learner.lengths, learner.log_posteriors.size(1))[..., None]
    # Masked before the distance, because NaN in padding would make gradients NaN.
    ours, theirs = (
        item.log_posteriors.masked_fill(~mask, 0.0) for item in (learner, target)
    )
    total = F.kl_div(ours, theirs.detach(), reduction="sum", log_target=True)
    return total / len(learner.lengths)


def symmetric_divergence(first: EncoderOutputs, second: EncoderOutputs) -> torch.Tensor:
    """Return how much the posteriors of two views of the same utterances differ.

    Each view is trained to match the other, which gets no gradient from that.

    - [0] CR-CTC: Consistency Regularization on CTC for Improved Speech Recognition,
      2024, https://arxiv.org/abs/2410.05101, section 3.1.

    Args:
        first: Log-posteriors ``(batch, frames, vocabulary)``.
        second: Log-posteriors of the same utterances.

    Returns:
        The mean of both directions of :func:`divergence_from`.
    """
    return (divergence_from(first, second) + divergence_from(second, first)) / 2


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


class Consistency(RisingWeight):
    """The weight of the consistency loss, which can rise during the first updates.

    Without a warm-up a model that knows nothing yet can agree with itself by predicting
    only blanks.

    Args:
        weight: Final weight, relative to CTC. 0: there is one view and no such loss.
        warmup: Number of updates in which the weight rises from 0 in equal steps.

    Raises:
        UserError: If a number is below 0.
    """

    @property
    def views(self) -> int:
        """Number of views of each utterance in a training step."""
        return VIEWS if self.weight else 1
