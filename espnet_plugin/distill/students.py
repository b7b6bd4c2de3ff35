"""Choose the layers that a student takes from its teacher, and copy them."""

import argparse
import logging
from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence

import torch

from espnet_plugin.checkpoints.layers import layer_origins
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.errors import UserError
from espnet_plugin.terminal import LOG_ONLY

__all__ = [
    "CopyReport",
    "StudentLayers",
    "choose_layers",
    "choose_student_layers",
    "copy_weights",
]


def choose_layers(num_teacher: int, num_student: int, how: str) -> list[int]:
    """Choose the layers of a teacher from which a student is made.

    Args:
        num_teacher: Number of layers of the teacher.
        num_student: Number of layers of the student.
        how: ``first``, ``last``, or ``spaced``: evenly spaced with the first and the
            last layer (Distil-Whisper, 2023, https://arxiv.org/abs/2311.00430, section
            4); a single spaced layer is the last one.

    Returns:
        Indices from 0, ascending.

    Raises:
        UserError: If the teacher has too few layers or ``how`` is unknown.
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
        copied: Index of the reference's layer for each of them; None: random weights.
    """

    number: int
    copied: Optional[tuple[int, ...]] = None


def choose_student_layers(
    student: StudentOptions, reference: argparse.Namespace, reference_config: str
) -> StudentLayers:
    """Return the number of layers of a student, and the reference's layers it copies.

    Args:
        student: Options of the student.
        reference: Training configuration of the reference.
        reference_config: Path of this configuration, for messages.

    Raises:
        UserError: If the reference does not have such layers.
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
    """Which tensors were copied; names are those of the student unless stated
    otherwise.

    Attributes:
        copied: Tensors that were copied from the teacher.
        mismatched: Tensors of both models with different shapes: ``(name, teacher's
            shape, student's shape)``.
        dropped: Tensors of the teacher (its names) that the student does not have.
        fresh: Tensors of the student that the teacher does not have.
    """

    copied: list[str] = field(default_factory=list)
    mismatched: list[tuple[str, tuple, tuple]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the numbers as text, and a line for each mismatch."""
        lines = [
            f"{len(self.copied)} tensors copied, {len(self.mismatched)} with a "
            f"different shape, {len(self.dropped)} dropped, {len(self.fresh)} new"
        ]
        lines += [f"{n}: teacher {t}, student {s}" for n, t, s in self.mismatched]
        return "\n".join(lines)

    def log_names(self) -> None:
        """Write the names of dropped and new tensors to the log, not the terminal."""
        for kind, names in (("dropped", self.dropped), ("new", self.fresh)):
            if names:
                logging.info("%s: %s", kind, " ".join(names), extra=LOG_ONLY)


def copy_weights(
    teacher: Mapping[str, torch.Tensor],
    student: torch.nn.Module,
    layers: Sequence[int],
) -> CopyReport:
    """Copy front end, normalisation, chosen layers and CTC layer into a student.

    Args:
        teacher: State dict of the teacher.
        student: The student, which is changed in place.
        layers: Index of the teacher's layer for each layer of the student.

    Returns:
        Which tensors were copied.

    Raises:
        UserError: If no trainable tensor could be copied.
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
            "no weight of the reference fits the student: choose --student_init random "
            f"to start without them\n{report.summary()}"
        )
    return report
