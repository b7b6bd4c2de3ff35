"""Contrastive objective on pooled encoder outputs."""

import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.distill.objectives.outputs import EncoderOutputs
from espnet_plugin.distill.objectives.registry import objective
from espnet_plugin.errors import UserError
from espnet_plugin.tensors.ranks import gather_rows

__all__ = ["ClipObjective"]


@objective("clip", looks_at="encodings")
class ClipObjective(nn.Module):
    """Symmetric cross-entropy between pooled encodings of student and teacher.

    An utterance is represented by the mean over its valid frames. The student's mean is
    trained to be closer to the teacher's of the same utterance than to the teacher's of
    other utterances in the batch, and vice versa.

    - [0] An Effective Training Framework for Light-Weight ASR Models, 2025,
      doi 10.21437/Interspeech.2025-1704, L_CLIP of Eq. 2 and 3.
    - [1] Learning Transferable Visual Models From Natural Language Supervision, 2021,
      https://arxiv.org/abs/2103.00020, Figure 3.

    The paper neither normalises the vectors nor masks padding; ``normalize=False`` is
    its variant on valid frames.

    Args:
        student_dim: Width of the student's encoding.
        teacher_dim: Width of the teacher's encoding. If it differs, a linear projection
            of the student's encoding is trained as well (and not exported).
        normalize: Whether vectors are scaled to length one, as in [1].
        temperature: Value by which similarities are divided.
        learnable_temperature: Whether its logarithm is trained, as in [1].
        projection: Whether the student's encoding is projected even at equal widths.
        gather_distributed: Whether utterances of all ranks are negatives.
        single: Treatment of a batch of one utterance, which has no negatives: ``skip``
            (the term is skipped, with a warning) or ``error``.

    Raises:
        UserError: If an argument is out of range.

    Examples:
        >>> objective = ClipObjective(student_dim=96, teacher_dim=96)
        >>> loss = objective(student_outputs, teacher_outputs)
    """

    def __init__(
        self,
        student_dim: int,
        teacher_dim: Optional[int] = None,
        normalize: bool = True,
        temperature: float = 0.07,
        learnable_temperature: bool = False,
        projection: bool = False,
        gather_distributed: bool = True,
        single: str = "skip",
    ):
        super().__init__()
        if not temperature > 0:
            raise UserError(f"temperature {temperature}: must be above 0")
        if single not in ("skip", "error"):
            raise UserError(f"single {single!r}: must be skip or error")
        teacher_dim = teacher_dim or student_dim
        self.normalize = normalize
        self.gather_distributed = gather_distributed
        self.single = single
        self.log_scale: float | nn.Parameter = -math.log(temperature)
        if learnable_temperature:
            self.log_scale = nn.Parameter(torch.tensor(self.log_scale))
        self.projection = (
            nn.Linear(student_dim, teacher_dim, bias=False)
            if projection or teacher_dim != student_dim
            else None
        )

    def forward(
        self, student: EncoderOutputs, teacher: EncoderOutputs
    ) -> Optional[torch.Tensor]:
        """Compute the objective.

        Args:
            student: Encodings ``(batch, frames, student_dim)``.
            teacher: Encodings ``(batch, frames, teacher_dim)``; the number of frames
                may differ from the student's.

        Returns:
            A scalar, or None for a batch of one that is skipped.

        Raises:
            UserError: For a batch of one, with ``single="error"``.
        """
        ours, theirs = student.mean_encoding(), teacher.mean_encoding()
        if self.projection is not None:
            ours = self.projection(ours)
        if self.normalize:
            ours, theirs = F.normalize(ours, dim=-1), F.normalize(theirs, dim=-1)
        first, all_ours, all_theirs = 0, ours, theirs
        if self.gather_distributed:
            all_ours, first = gather_rows(ours)
            all_theirs, _ = gather_rows(theirs)
        if len(all_ours) < 2:
            if self.single == "error":
                raise UserError(
                    "clip: a batch of one utterance has no negatives: set "
                    "min_batch_size: 2 or a larger batch_bins, or clip.single: skip"
                )
            return None
        scale = (
            self.log_scale.exp().clamp(max=100.0)  # the bound of [1], section 2.5
            if isinstance(self.log_scale, nn.Parameter)
            else math.exp(self.log_scale)
        )
        targets = torch.arange(first, first + len(ours), device=ours.device)
        # (batch, batch of all ranks): this rank's rows of both directions.
        from_student = scale * ours @ all_theirs.T
        from_teacher = scale * theirs @ all_ours.T
        return 0.5 * (
            F.cross_entropy(from_student, targets)
            + F.cross_entropy(from_teacher, targets)
        )
