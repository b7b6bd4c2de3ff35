"""Contrastive objective on single frames of an utterance."""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.distill.objectives.outputs import EncoderOutputs
from espnet_plugin.distill.objectives.registry import objective
from espnet_plugin.errors import UserError
from espnet_plugin.tensors.frames import frame_mask, mean_over_frames

__all__ = ["FrameContrastObjective"]


@objective("frame_contrast", looks_at="encodings", single_frames=True)
class FrameContrastObjective(nn.Module):
    """Cross-entropy between a frame of the student and the teacher's of its utterance.

    A frame of the student is trained to be closer to the same frame of the teacher than
    to the teacher's other frames. The negatives are in the same utterance, so a batch
    of one utterance has them too, and nothing is exchanged between ranks. The design is
    this plugin's own, based on the loss of [0].

    A streaming student may be delayed: with ``max_delay`` its frame ``t + d`` is
    compared with the teacher's frame ``t``, where ``d`` is the delay of each utterance
    with the lowest loss.

    - [0] Representation Learning with Contrastive Predictive Coding, 2018,
      https://arxiv.org/abs/1807.03748, Eq. 4.

    Args:
        student_dim: Width of the student's encoding.
        teacher_dim: Width of the teacher's encoding. If it differs, a linear projection
            of the student's encoding is trained as well (and not exported).
        temperature: Value by which cosine similarities are divided.
        margin: Number of frames on each side of the positive that are not used as
            negatives, because they are similar.
        max_delay: Largest delay of the student in frames.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(
        self,
        student_dim: int,
        teacher_dim: Optional[int] = None,
        temperature: float = 0.1,
        margin: int = 0,
        max_delay: int = 0,
    ):
        super().__init__()
        if not temperature > 0:
            raise UserError(f"temperature {temperature}: must be above 0")
        for name, value in ("margin", margin), ("max_delay", max_delay):
            if value < 0:
                raise UserError(f"{name} {value}: must be a whole number from 0")
        teacher_dim = teacher_dim or student_dim
        self.temperature, self.margin, self.max_delay = temperature, margin, max_delay
        self.projection = (
            nn.Linear(student_dim, teacher_dim, bias=False)
            if teacher_dim != student_dim
            else None
        )

    def forward(self, student: EncoderOutputs, teacher: EncoderOutputs) -> torch.Tensor:
        """Compute the objective.

        Args:
            student: Encodings ``(batch, frames, student_dim)``.
            teacher: Encodings ``(batch, frames, teacher_dim)``.

        Returns:
            A scalar, the mean over the valid frames of the batch.

        Raises:
            UserError: If the numbers of frames differ.
        """
        ours, theirs = student.encoding, teacher.encoding
        if ours.size(1) != theirs.size(1):
            raise UserError(
                f"frame_contrast: the student has {ours.size(1)} frames and the "
                f"reference {theirs.size(1)}: remove it from objectives, or give the "
                "student the reference's frame rate"
            )
        mask = frame_mask(student.lengths, ours.size(1))
        # Padding may contain NaN, which would reach gradients if only scores were
        # masked.
        ours = ours.masked_fill(~mask[..., None], 0.0)
        theirs = theirs.masked_fill(~mask[..., None], 0.0)
        if self.projection is not None:
            ours = self.projection(ours)
        ours, theirs = F.normalize(ours, dim=-1), F.normalize(theirs, dim=-1)
        scores = ours @ theirs.transpose(1, 2) / self.temperature
        scores = scores.masked_fill(~mask[:, None], -torch.inf)
        losses = torch.stack(
            [self._delayed(scores, mask, d) for d in range(self.max_delay + 1)]
        )
        return mean_over_frames(self._best(losses, mask), mask.to(losses.dtype))

    def _delayed(
        self, scores: torch.Tensor, mask: torch.Tensor, delay: int
    ) -> torch.Tensor:
        """Return the loss of each frame of the student, ``(batch, frames)``.

        The loss of the first ``delay`` frames is zero.
        """
        frames = torch.arange(scores.size(1), device=scores.device)
        positive = (frames - delay).clamp(min=0)
        distance = (frames[None] - positive[:, None]).abs()
        near = (distance > 0) & (distance <= self.margin)
        log_probs = scores.masked_fill(near, -torch.inf).log_softmax(-1)
        index = positive[None, :, None].expand(len(scores), -1, 1)
        loss = -log_probs.gather(2, index).squeeze(2)
        return loss.masked_fill(~mask | (frames < delay), 0.0)

    @staticmethod
    def _best(losses: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return each utterance's losses with the delay of the lowest mean loss."""
        delays = torch.arange(len(losses), device=losses.device)[:, None]
        counted = (mask.sum(1)[None] - delays).clamp(min=1)
        # The mean per frame, so that larger delays, with fewer frames, are no
        # advantage.
        means = losses.sum(2) / counted
        # Utterances that are not longer than the delay would have no frames left.
        means = means.masked_fill(mask.sum(1)[None] <= delays, torch.inf)
        means[0] = torch.where(torch.isinf(means[0]), 0.0, means[0])
        best = means.argmin(0)
        scale = mask.sum(1) / counted.gather(0, best[None])[0]
        chosen = losses[best, torch.arange(losses.size(1), device=losses.device)]
        return chosen * scale[:, None]
