"""From the options of an EncRL training to its reference and its student."""

import argparse
import logging
from functools import cached_property
from typing import Any, Callable, Sequence

import torch.distributed as dist

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill.config import derive_student
from espnet_plugin.distill.model import ESPnetEncRLModel
from espnet_plugin.distill.options import DTYPES
from espnet_plugin.distill.students import (
    StudentLayers,
    choose_student_layers,
    copy_weights,
)
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import write_json
from espnet_plugin.tasks.encrl_checks import (
    check_inputs,
    refuse_frozen_random,
    refuse_half_layers,
)
from espnet_plugin.tasks.encrl_options import EncRLOptions
from espnet_plugin.tasks.teacher_cache import TrainingBatches, build_cache
from espnet_plugin.tensors.precision import run_in
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["EncRLSetup"]


class EncRLSetup:
    """Loads the reference, derives the student, and joins them for a training.

    Args:
        options: What was asked for.

    Attributes:
        options: What was asked for.
        teacher: The frozen reference.
        reference_args: Its training configuration.
        layers: The student's layers.
        settings: ESPnet's settings that make the student.

    Raises:
        UserError: By what is read first, if an option is out of range, or the reference
            is unusable or not for these data.
    """

    def __init__(self, options: EncRLOptions):
        self.options = options

    @cached_property
    def _loaded(self) -> tuple[FrozenTeacher, argparse.Namespace]:
        files = self.options.reference
        reference, args = load_asr_model(files.config, files.model_file)
        check_inputs(self.options, args)
        return FrozenTeacher(reference, DTYPES[files.dtype]), args

    @property
    def teacher(self) -> FrozenTeacher:
        """The frozen reference."""
        return self._loaded[0]

    @property
    def reference_args(self) -> argparse.Namespace:
        """The reference's training configuration."""
        return self._loaded[1]

    @cached_property
    def layers(self) -> StudentLayers:
        """The student's layers."""
        return choose_student_layers(
            self.options.student, self.reference_args, self.options.reference.config
        )

    @cached_property
    def settings(self) -> dict[str, Any]:
        """ESPnet's settings that make the student."""
        return derive_student(
            self.options.student, self.reference_args, self.teacher.dim, self.layers
        )

    def start(self, model: ESPnetEncRLModel) -> None:
        """Copy what the student starts from, and settle what of it learns and how.

        Args:
            model: The model that ESPnet has built; changed in place.

        Raises:
            UserError: If layers fit in part only, or random weights are to be frozen.
        """
        refuse_frozen_random(self.options, model, self._copy_layers(model))
        if not model.objectives.use_posteriors:
            # Nothing would train it, and ranks wait for every gradient.
            model.ctc.requires_grad_(False)
        if self.options.student.dtype != "float32":
            run_in(DTYPES[self.options.student.dtype], model.encoder)

    def _copy_layers(self, model: ESPnetEncRLModel) -> Sequence[str]:
        """Return the names of the student's tensors that were copied."""
        layers = self.layers.copied
        if layers is None:
            return ()
        report = copy_weights(self.teacher.model.state_dict(), model, layers)
        refuse_half_layers(self.options.student, report)
        logging.info("layers %s of the reference: %s", list(layers), report.summary())
        if not is_distributed() or dist.get_rank() == 0:
            write_json(Experiment(self.options.output_dir).copied_file, vars(report))
        return report.copied

    def attach_teacher(
        self, model: ESPnetEncRLModel, batches: Callable[[], TrainingBatches]
    ) -> None:
        """Give the student its teacher, or the teacher's stored outputs.

        Args:
            model: The student.
            batches: Makes the batches of the training, for outputs yet to be stored.

        Raises:
            UserError: If the outputs cannot be stored, are another training's, or
                would lack what an objective needs.
        """
        if self.options.cache is None:
            model.attach_teacher(self.teacher)
            return
        model.objectives.refuse_single_frames(
            "--teacher_cache stores their mean over each utterance only: leave the "
            "cache out, or these objectives"
        )
        seconds = model.seconds_per_input
        cached = build_cache(self.options, self.teacher, seconds, batches)
        model.attach_teacher(cached)
