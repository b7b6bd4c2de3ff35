"""Training of the supernet's modes with a frozen large model as teacher."""

import math
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Sequence

import torch
from torch import nn

from espnet_plugin.distill.objectives import EncoderOutputs, WeightedObjectives
from espnet_plugin.dual_mode.options import MODES
from espnet_plugin.errors import UserError

__all__ = ["TaughtModes", "Teaching"]


@dataclass(frozen=True)
class Teaching:
    """``model_conf.teaching`` of a training configuration.

    Attributes:
        objectives: Objectives of the modes; see ``WeightedObjectives``.
        weight: Weight of the objectives relative to the loss on transcripts.
        modes: The modes that are taught.
        transcripts: Whether the loss on transcripts is used; otherwise transcripts are
            only used for error rates.
        delay_frames: Largest delay of the streaming mode relative to the teacher, in
            encoder frames; the delay with the lowest loss in a batch is used.
        teacher_dim: Width of the teacher's encoding, which the task sets.

    Raises:
        UserError: If a value is out of range.
    """

    objectives: Mapping[str, Any]
    weight: float = 1.0
    modes: Sequence[str] = MODES
    transcripts: bool = True
    delay_frames: int = 0
    teacher_dim: Optional[int] = None

    def __post_init__(self):
        if not 0 < self.weight < math.inf:
            raise UserError(f"weight {self.weight!r}: must be above 0")
        if not self.modes or set(self.modes) - set(MODES):
            raise UserError(
                f"modes {list(self.modes)!r}: must be one or both of {', '.join(MODES)}"
            )
        if self.delay_frames < 0:
            raise UserError(
                f"delay_frames {self.delay_frames!r}: must be a whole number, 0 or more"
            )


class TaughtModes(nn.Module):
    """The distance of both modes to a frozen teacher.

    Each mode has its own objectives, so projections to the teacher's width are not
    shared. This is this plugin's design, based on the abstract of [0] only.

    - [0] DuRep: Dual-Mode Speech Representation Learning via ASR-Aware Distillation,
      2025, Interspeech.
    - [1] A delay of the student that is chosen by the loss:
      https://arxiv.org/abs/2505.22069.

    Args:
        options: Options of the teaching.
        student_dim: Width of the encoder.
    """

    def __init__(self, options: Teaching, student_dim: int):
        super().__init__()
        self.options = options
        self.of_mode = nn.ModuleDict(
            {
                mode: WeightedObjectives(
                    options.objectives, student_dim, options.teacher_dim
                )
                for mode in options.modes
            }
        )

    @property
    def single_frames(self) -> list[str]:
        """Names of the objectives that need the teacher's encoding of every frame.

        These include objectives on its mean if the streaming mode may be delayed,
        because the mean is then over all frames except the last ones.
        """
        delayed = ("streaming",) if self.options.delay_frames else ()
        names = {
            name: None
            for mode, objectives in self.of_mode.items()
            for name, term in objectives.terms.items()
            if term.single_frames or (mode in delayed and term.looks_at == "encodings")
        }
        return list(names)

    def forward(
        self, mode: str, student: EncoderOutputs, teacher: EncoderOutputs
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compute the distance of a mode.

        Args:
            mode: ``full`` or ``streaming``, one of the taught modes.
            student: Outputs of the mode, through which gradients flow.
            teacher: Outputs of the teacher.

        Returns:
            The weighted sum of the objectives, and each of them as ``loss_<name>``;
            with ``delay_frames`` also the ``delay`` of the streaming mode.

        Raises:
            UserError: If the numbers of frames differ.
        """
        if not torch.equal(student.lengths, teacher.lengths):
            raise UserError(
                f"the {mode} mode makes {student.lengths.tolist()[:3]}... frames, but "
                f"the reference {teacher.lengths.tolist()[:3]}...: frontend and "
                "input_layer must agree, and specaug_conf.apply_time_warp must be "
                "false"
            )
        objectives = self.of_mode[mode]
        if mode == "full" or not self.options.delay_frames:
            return objectives(student, teacher)
        found = []
        for delay in range(self.options.delay_frames + 1):
            if delay >= student.encoding.size(1):
                break
            found.append(objectives(*_delayed(student, teacher, delay)))
        losses = torch.stack([loss for loss, _ in found])
        best = int(losses.detach().argmin())
        return found[best][0], {**found[best][1], "delay": torch.tensor(float(best))}


def _delayed(
    student: EncoderOutputs, teacher: EncoderOutputs, delay: int
) -> tuple[EncoderOutputs, EncoderOutputs]:
    """Shift outputs so that the student's frame ``t + delay`` is at the teacher's
    ``t``.

    Utterances that are not longer than the delay keep one frame.
    """
    if not delay:
        return student, teacher
    lengths = (student.lengths - delay).clamp(min=1)
    late = replace(
        student,
        encoding=student.encoding[:, delay:],
        log_posteriors=student.log_posteriors[:, delay:],
        lengths=lengths,
    )
    early = replace(
        teacher,
        encoding=None if teacher.encoding is None else teacher.encoding[:, :-delay],
        log_posteriors=teacher.log_posteriors[:, :-delay],
        lengths=lengths,
        # A stored mean is over all frames.
        pooled=teacher.pooled if teacher.encoding is None else None,
    )
    return late, early
