"""Self-distillation: the largest size of a family teaches the smaller ones."""

from typing import Sequence

import torch

from espnet_plugin.distill.consistency import divergence_from
from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.rising import RisingWeight

__all__ = ["SelfDistillation", "divergence_from_largest"]


class SelfDistillation(RisingWeight):
    """The weight of the loss by which smaller sizes match the largest one.

    Args:
        weight: Final weight, relative to CTC. 0: there is no such loss.
        warmup: Number of updates in which the weight rises from 0 in equal steps: at
            the start the largest size may know no more than the others.

    Raises:
        UserError: If a number is below 0.
    """


def divergence_from_largest(
    ours: Sequence[EncoderOutputs], largest: Sequence[EncoderOutputs]
) -> torch.Tensor:
    """Return how much a smaller size differs from the largest size of its family.

    The largest size gets no gradient from that. If there are two views of the
    utterances, the target of each is the largest size's output for the other view: it
    was computed from frames that are masked here.

    - [0] Universally Slimmable Networks and Improved Training Techniques, 2019,
      https://arxiv.org/abs/1903.05134, section 3.3 ("inplace distillation"), there for
      widths.
    - [1] Be Your Own Teacher, 2019, https://arxiv.org/abs/1905.08094, section 3.2, for
      depths. Only its divergence of posteriors is used here.

    Args:
        ours: Outputs of the smaller size, by view.
        largest: Outputs of the largest size, by view.

    Returns:
        The mean over the views, in nats for each utterance.
    """
    pairs = list(zip(ours, reversed(largest)))
    return sum(divergence_from(target, one) for one, target in pairs) / len(pairs)
