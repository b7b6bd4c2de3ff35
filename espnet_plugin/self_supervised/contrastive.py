"""The contrastive task: distinguish the true target of a frame from distractors.

Plain torch. Masked frames have the form ``(batch, slots, ...)``: the masked frames of
each utterance in order, then padding.
"""

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F

__all__ = [
    "Slots",
    "candidate_logits",
    "chance_accuracy",
    "contrastive_accuracy",
    "draw_distractors",
    "info_nce",
    "masked_slots",
]


class Slots(NamedTuple):
    """Positions of the masked frames.

    Attributes:
        positions: Index of each masked frame, ``(batch, slots)``; arbitrary on padding.
        present: ``(batch, slots)``, True for masked frames, False for padding.
        counts: Number of masked frames, ``(batch,)``.
    """

    positions: torch.Tensor
    present: torch.Tensor
    counts: torch.Tensor

    @property
    def usable(self) -> torch.Tensor:
        """``(batch, slots)``, True if the utterance has another masked frame."""
        return self.present & (self.counts > 1)[:, None]

    def take(self, frames: torch.Tensor) -> torch.Tensor:
        """Select masked frames, ``(batch, slots, dim)`` of ``(batch, frames, dim)``."""
        index = self.positions[..., None].expand(-1, -1, frames.shape[2])
        return frames.gather(1, index)


def masked_slots(mask: torch.Tensor) -> Slots:
    """Find the masked frames.

    Args:
        mask: ``(batch, frames)``, True where masked.
    """
    counts = mask.sum(1)
    slots = max(1, int(counts.max()))
    order = mask.byte().argsort(dim=1, descending=True, stable=True)[:, :slots]
    present = torch.arange(slots, device=mask.device) < counts[:, None]
    return Slots(order, present, counts)


def draw_distractors(
    counts: torch.Tensor,
    slots: int,
    number: int,
    generator: Optional[torch.Generator] = None,
) -> torch.Tensor:
    """Draw other masked frames of the same utterance, uniformly, with replacement.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, section 3.2

    Args:
        counts: Number of masked frames, ``(batch,)``.
        slots: Largest of these numbers.
        number: Number of distractors for each frame.
        generator: Random numbers, on the CPU; torch's own if None.

    Returns:
        Indices of slots, ``(batch, slots, number)``, never the frame's own; 0 for
        padding, or if there is no other masked frame.
    """
    draw = torch.rand(len(counts), slots, number, generator=generator)
    draw = draw.to(counts.device)
    others = (counts - 1)[:, None, None]
    chosen = (draw * others).long()
    chosen = torch.minimum(chosen, (others - 1).clamp(min=0))  # products are rounded
    own = torch.arange(slots, device=counts.device)[None, :, None]
    chosen = chosen + (chosen >= own).long()
    return chosen.masked_fill((own > others) | (others < 1), 0)


def candidate_logits(
    contexts: torch.Tensor,
    targets: torch.Tensor,
    distractors: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Return the cosine of context and candidates, divided by the temperature.

    Args:
        contexts: ``(batch, slots, dim)``.
        targets: ``(batch, slots, dim)``.
        distractors: ``(batch, slots, number)``.
        temperature: Above 0.

    Returns:
        ``(batch, slots, 1 + number)``, the true target first.
    """
    contexts = F.normalize(contexts.float(), dim=-1)
    targets = F.normalize(targets.float(), dim=-1)
    # All pairs of an utterance need far less memory than a copy of every candidate.
    pairs = contexts @ targets.transpose(1, 2)
    own = pairs.diagonal(dim1=1, dim2=2)[..., None]
    return torch.cat([own, pairs.gather(2, distractors)], dim=2) / temperature


def info_nce(logits: torch.Tensor, usable: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``-log softmax`` of the true target over the usable frames.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477, Eq. 3

    Args:
        logits: ``(batch, slots, 1 + number)``.
        usable: ``(batch, slots)``; at least one.
    """
    losses = logits.logsumexp(2) - logits[..., 0]
    return losses[usable].mean()


def contrastive_accuracy(
    logits: torch.Tensor, same: torch.Tensor, usable: torch.Tensor
) -> torch.Tensor:
    """Return the share of frames whose true target has the highest similarity.

    Candidates with equal codes cannot be distinguished: if ``n`` of them have the
    highest similarity, the frame counts ``1 / n``. Otherwise a quantiser that only uses
    one code would have an accuracy of 1.

    Args:
        logits: ``(batch, slots, 1 + number)``.
        same: ``(batch, slots, number)``, True for distractors with the target's codes.
        usable: ``(batch, slots)``; at least one.
    """
    others = logits[..., 1:].masked_fill(same, -torch.inf).amax(2)
    found = (logits[..., 0] > others) / (1.0 + same.sum(2))
    return found[usable].mean()


def chance_accuracy(distractors: torch.Tensor, usable: torch.Tensor) -> torch.Tensor:
    """Return an upper bound of the accuracy without any use of the context.

    It is one over the number of different candidates. These may be fewer than ``1 +
    number``, because distractors are drawn with replacement.

    Args:
        distractors: ``(batch, slots, number)``.
        usable: ``(batch, slots)``; at least one.
    """
    ordered = distractors.sort(dim=2).values
    different = 1 + (ordered[..., 1:] != ordered[..., :-1]).sum(2)
    return (1.0 / (1 + different))[usable].mean()
