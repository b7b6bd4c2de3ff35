"""Which layers a student takes from its teacher, and copying them."""

import argparse
from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence

import torch

from espnet_plugin.checkpoints.layers import layer_origins
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.errors import UserError

__all__ = [
    "CopyReport",
    "StudentLayers",
    "choose_layers",
    "choose_student_layers",
    "copy_weights",
]


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
            f"a student of {num_student} layers cannot be made from {num_teacher} "
            f"layers: choose 1 to {num_teacher}"
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


@dataclass(frozen=True)
class StudentLayers:
    """The layers of a student.

    Attributes:
        number: Number of layers.
        copied: The reference's layer for each of them; None for random weights.
    """

    number: int
    copied: Optional[tuple[int, ...]] = None


def choose_student_layers(
    student: StudentOptions, reference: argparse.Namespace, reference_config: str
) -> StudentLayers:
    """Return how many layers a student has, and which of the reference's it copies.

    Args:
        student: What is asked for.
        reference: The reference's training configuration.
        reference_config: Its file, for messages.

    Raises:
        UserError: If the reference has no such layers.
    """
    if student.encoder not in (None, reference.encoder):
        if student.copies:
            raise UserError(
                f"--student_encoder {student.encoder} cannot copy the layers of the "
                f"reference's {reference.encoder}: remove --student_layers, and give "
                "--student_init random"
            )
        if student.num_layers < 1:
            raise UserError(
                f"--student_num_layers {student.num_layers}: must be 1 or more"
            )
        return StudentLayers(student.num_layers)
    there = reference.encoder_conf.get("num_blocks")
    if there is None:
        raise UserError(
            f"{reference_config}: the layers of encoder {reference.encoder} cannot be "
            "counted: give the student's encoder with --student_encoder, e.g. "
            "conformer (see conf/encrl_whisper.yaml)"
        )
    if student.layers:
        wrong = [layer for layer in student.layers if not 0 <= layer < there]
        if wrong:
            raise UserError(
                f"--student_layers {wrong}: the reference has the layers 0 to "
                f"{there - 1}"
            )
        return StudentLayers(len(student.layers), student.layers)
    how = "first" if student.init == "random" else student.init
    chosen = choose_layers(there, student.num_layers, how)  # refuses too many as well
    if student.init == "random":
        return StudentLayers(student.num_layers)
    return StudentLayers(student.num_layers, tuple(chosen))


@dataclass
class CopyReport:
    """What became of every tensor; names are the student's unless said otherwise.

    Attributes:
        copied: Taken from the teacher.
        mismatched: In both models, but of another shape: ``(name, teacher's,
            student's)``.
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
            f"{len(self.copied)} tensors copied, {len(self.mismatched)} with a "
            f"different shape, {len(self.dropped)} dropped, {len(self.fresh)} new"
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
