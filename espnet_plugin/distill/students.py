"""Which layers a student takes from its teacher, and copying them."""

from dataclasses import dataclass, field
from typing import Mapping, Sequence

import torch

from espnet_plugin.checkpoints.layers import layer_origins
from espnet_plugin.errors import UserError

__all__ = [
    "INITS",
    "CopyReport",
    "choose_layers",
    "copy_weights",
]

INITS = ("random", "first", "last", "spaced")


def choose_layers(num_teacher: int, num_student: int, how: str) -> list[int]:
    """Choose which of a teacher's layers a student is made of.

    Args:
        num_teacher: Layers there are.
        num_student: Layers wanted.
        how: ``first``, ``last``, or ``spaced``: as far apart as possible, the first and
            the last included (Distil-Whisper, 2023, https://arxiv.org/abs/2311.00430,
            section 4); one spaced layer is the last.

    Returns:
        Indices from 0, ascending.

    Raises:
        UserError: If there are too few layers or ``how`` is unknown.
    """
    if not 1 <= num_student <= num_teacher:
        raise UserError(
            f"a student of {num_student} layers cannot be taken from {num_teacher}: "
            f"choose 1 to {num_teacher}"
        )
    if how == "first":
        return list(range(num_student))
    if how == "last":
        return list(range(num_teacher - num_student, num_teacher))
    if how == "spaced":
        if num_student == 1:
            return [num_teacher - 1]
        step = (num_teacher - 1) / (num_student - 1)
        return [round(i * step) for i in range(num_student)]
    raise UserError(f"layers {how!r}: must be one of first, last, spaced")


@dataclass
class CopyReport:
    """What became of every tensor; names are the student's unless said otherwise.

    Attributes:
        copied: Taken from the teacher.
        mismatched: In both, but of another shape: ``(name, teacher's, student's)``.
        dropped: The teacher's (by its names), which the student has no place for.
        fresh: The student's, which the teacher lacks.
    """

    copied: list[str] = field(default_factory=list)
    mismatched: list[tuple[str, tuple, tuple]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the report as text, one line a kind and one a mismatch."""
        lines = [
            f"{len(self.copied)} tensors copied, {len(self.mismatched)} of another "
            f"shape, {len(self.dropped)} dropped, {len(self.fresh)} new"
        ]
        for kind in ("dropped", "fresh"):
            names = getattr(self, kind)
            if names:
                lines.append(f"{kind}: {' '.join(names)}")
        lines += [f"{n}: teacher {t}, student {s}" for n, t, s in self.mismatched]
        return "\n".join(lines)


def copy_weights(
    teacher: Mapping[str, torch.Tensor],
    student: torch.nn.Module,
    layers: Sequence[int],
) -> CopyReport:
    """Copy front end, normalisation, chosen layers and CTC layer into a student.

    Args:
        teacher: The teacher's state dict.
        student: Changed in place.
        layers: The teacher's layer for each of the student's.

    Returns:
        What became of every tensor.

    Raises:
        UserError: If not one trainable tensor could be copied.
    """
    origins = layer_origins(teacher, layers)
    ours = student.state_dict()
    report = CopyReport(fresh=[name for name in ours if name not in origins])
    used = {old for new, old in origins.items() if new in ours}
    report.dropped = [name for name in teacher if name not in used]
    parameters = {name for name, _ in student.named_parameters()}
    with torch.no_grad():
        for name, old in origins.items():
            tensor = teacher[old]
            if name not in ours:
                continue
            if ours[name].shape != tensor.shape:
                shapes = tuple(tensor.shape), tuple(ours[name].shape)
                report.mismatched.append((name, *shapes))
            else:
                ours[name].copy_(tensor)
                report.copied.append(name)
    if not parameters & set(report.copied):
        raise UserError(
            "no weight of the reference fits the student; choose --student_init random "
            f"to start without them\n{report.summary()}"
        )
    return report
