"""Objectives on the posteriors of the CTC layer, frame by frame."""

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.distill.objectives.outputs import EncoderOutputs
from espnet_plugin.distill.objectives.registry import objective
from espnet_plugin.errors import UserError
from espnet_plugin.tensors.frames import frame_mask, mean_over_frames, pool_frames

__all__ = [
    "KLObjective",
    "MAEObjective",
    "MSEObjective",
    "divergence_by_utterance",
]

_SCALES = ("log_posteriors", "posteriors")


class _FrameObjective(nn.Module):
    """The mean over valid frames of a distance that a sub-class defines.

    Args:
        blank_weight: Weight of frames in which the teacher's best token is blank, which
            are most frames. The weight of other frames is 1.
        blank: Index of the blank token.
        gather_distributed: Whether the mean is over the batches of all ranks.
    """

    def __init__(
        self,
        blank_weight: float = 1.0,
        blank: int = 0,
        gather_distributed: bool = True,
    ):
        super().__init__()
        if not 0 <= blank_weight:
            raise UserError(f"blank_weight {blank_weight}: must be 0 or more")
        self.blank_weight = blank_weight
        self.blank = blank
        self.gather_distributed = gather_distributed

    def forward(self, student: EncoderOutputs, teacher: EncoderOutputs):
        """Compute the objective.

        Args:
            student: Log-posteriors ``(batch, frames, vocabulary)``.
            teacher: Log-posteriors of the same shape.

        Returns:
            A scalar.
        """
        mask = frame_mask(student.lengths, student.log_posteriors.size(1))
        # Masked before the distance, because NaN in padding would make gradients NaN.
        ours = student.log_posteriors.masked_fill(~mask[..., None], 0.0)
        theirs = teacher.log_posteriors.masked_fill(~mask[..., None], 0.0)
        weights = mask.to(ours.dtype)
        if self.blank_weight != 1.0:
            is_blank = theirs.argmax(-1) == self.blank
            weights = torch.where(is_blank, weights * self.blank_weight, weights)
        values = self.distance(ours, theirs)
        return mean_over_frames(values, weights, self.gather_distributed)

    def distance(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Return the distance of each frame, ``(batch, frames)``.

        Args:
            student: Log-posteriors ``(batch, frames, vocabulary)``.
            teacher: Log-posteriors of the same shape.
        """
        raise NotImplementedError


@objective("mse", looks_at="posteriors")
class MSEObjective(_FrameObjective):
    """Mean squared difference of CTC outputs, over frames and vocabulary.

    - [0] An Effective Training Framework for Light-Weight ASR Models, 2025,
      doi 10.21437/Interspeech.2025-1704, Eq. 4.

    Args:
        on: ``log_posteriors``, as in the authors' code, or ``posteriors``.
        others: See the base class.
    """

    def __init__(self, on: str = "log_posteriors", **others):
        super().__init__(**others)
        if on not in _SCALES:
            raise UserError(f"on {on!r}: must be one of {', '.join(_SCALES)}")
        self.on = on

    def distance(self, student, teacher):
        """Return the mean squared difference over the vocabulary."""
        return self._difference(student, teacher).square().mean(-1)

    def _difference(self, student, teacher):
        if self.on == "posteriors":
            return student.exp() - teacher.exp()
        return student - teacher


@objective("mae", looks_at="posteriors")
class MAEObjective(MSEObjective):
    """Mean absolute difference of CTC outputs, with the options of ``mse``."""

    def distance(self, student, teacher):
        """Return the mean absolute difference over the vocabulary."""
        return self._difference(student, teacher).abs().mean(-1)


@objective("kl", looks_at="posteriors")
class KLObjective(_FrameObjective):
    """Kullback-Leibler divergence of the student's posteriors from the teacher's.

    - [0] Distilling the Knowledge in a Neural Network, 2015,
      https://arxiv.org/abs/1503.02531, section 2. It is multiplied by the squared
      temperature, so that the size of gradients does not depend on the temperature.

    Args:
        temperature: Temperature of both distributions.
        others: See the base class.
    """

    def __init__(self, temperature: float = 1.0, **others):
        super().__init__(**others)
        if not temperature > 0:
            raise UserError(f"temperature {temperature}: must be above 0")
        self.temperature = temperature

    def distance(self, student, teacher):
        """Return the divergence of each frame, in nats."""
        # Log-posteriors are logits up to a constant, which log_softmax removes.
        ours = F.log_softmax(student / self.temperature, -1)
        theirs = F.log_softmax(teacher / self.temperature, -1)
        divergence = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
        return divergence * self.temperature**2


def divergence_by_utterance(
    student: EncoderOutputs, teacher: EncoderOutputs
) -> torch.Tensor:
    """Return the divergence of each utterance's posteriors from the teacher's.

    Args:
        student: Log-posteriors ``(batch, frames, vocabulary)``.
        teacher: Log-posteriors of the same shape.

    Returns:
        Mean Kullback-Leibler divergence per frame, ``(batch,)``, in nats, without
        gradient.
    """
    with torch.no_grad():
        ours, theirs = student.log_posteriors, teacher.log_posteriors
        each = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
        return pool_frames(each[..., None], student.lengths)[:, 0]
