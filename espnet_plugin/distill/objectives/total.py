"""The weighted sum of objectives."""

import logging
from typing import Any, Mapping, Optional

import torch
from torch import nn

from espnet_plugin.distill.objectives.outputs import EncoderOutputs
from espnet_plugin.distill.objectives.registry import OBJECTIVES
from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options
from espnet_plugin.suggest import did_you_mean

__all__ = ["WeightedObjectives"]


class WeightedObjectives(nn.Module):
    """The weighted sum of named objectives, ``L_EncRL`` of Eq. 2 by default.

    Args:
        conf: Options by name, as in a YAML file: ``{"clip": {"weight": 1.0,
            "temperature": 0.07}, "mse": {}}``. A missing weight is 1.
        student_dim: Width of the student's encoding.
        teacher_dim: Width of the teacher's encoding; None: the student's.

    Raises:
        UserError: If a name or an option is unknown, or a weight is not above 0.
    """

    def __init__(
        self,
        conf: Mapping[str, Optional[Mapping[str, Any]]],
        student_dim: int,
        teacher_dim: Optional[int] = None,
    ):
        super().__init__()
        if not conf or not isinstance(conf, Mapping):
            raise UserError(
                f"objectives {conf!r}: give at least one of {', '.join(OBJECTIVES)} "
                "with its options, e.g. {clip: {weight: 1.0}, mse: {}}"
            )
        self.weights: dict[str, float] = {}
        self.terms = nn.ModuleDict()
        self._said_skipped: set[bool] = set()  # for training, for the development set
        for name, options in conf.items():
            if name not in OBJECTIVES:
                raise UserError(
                    f"objectives: {name!r} is not one of {', '.join(OBJECTIVES)}"
                    f"{did_you_mean(str(name), OBJECTIVES)}"
                )
            if not isinstance(options or {}, Mapping):
                raise UserError(
                    f"objectives.{name} {options!r}: must be a mapping of options, "
                    "e.g. weight: 1"
                )
            options = dict(options or {})
            weight = options.pop("weight", 1.0)
            if not isinstance(weight, (int, float)) or not weight > 0:
                raise UserError(f"objectives.{name}.weight {weight!r}: must be above 0")
            kind = OBJECTIVES[name]
            widths = {}
            if kind.looks_at == "encodings":
                widths = {"student_dim": student_dim, "teacher_dim": teacher_dim}
            self.terms[name] = read_options(
                kind, options, f"objectives.{name}", **widths
            )
            self.weights[name] = float(weight)

    @property
    def use_posteriors(self) -> bool:
        """Whether any objective uses the output of the CTC layer."""
        return any(term.looks_at == "posteriors" for term in self.terms.values())

    def refuse_single_frames(self, why: str) -> None:
        """Refuse objectives that compare encodings frame by frame.

        Args:
            why: Reason why only the mean of each utterance exists, and what to do.

        Raises:
            UserError: If there are such objectives.
        """
        names = [name for name, term in self.terms.items() if term.single_frames]
        if names:
            raise UserError(
                f"objectives {', '.join(names)}: the reference's encodings of single "
                f"frames are needed, but {why}"
            )

    def forward(
        self, student: EncoderOutputs, teacher: EncoderOutputs
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compute the sum.

        Args:
            student: Outputs of the student, through which gradients flow.
            teacher: Outputs of the frozen teacher.

        Returns:
            The weighted sum, and each unweighted term as ``loss_<name>`` (detached).
            Both do not include skipped terms, about which there is a warning.
        """
        # Connects the sum to the graph even if every term is skipped.
        total = student.encoding.new_zeros(()) + 0.0 * student.encoding[:, :1].sum()
        terms = {}
        for name, objective in self.terms.items():
            value = objective(student, teacher)
            if value is None:
                self._say_skipped(name)
                continue
            total = total + self.weights[name] * value
            terms[f"loss_{name}"] = value.detach()
        return total, terms

    def _say_skipped(self, name: str) -> None:
        if self.training in self._said_skipped:
            return
        self._said_skipped.add(self.training)
        # A development set of one utterance has no other batches.
        where = "" if self.training else " of the development set"
        way_out = " (min_batch_size: 2 avoids such batches)" if self.training else ""
        logging.warning(
            "%s is skipped in batches of one utterance%s, which have no negatives%s",
            *(name, where, way_out),
        )
