"""Load the reference of an EncRL training and set up its student."""

import argparse
import logging
from functools import cached_property
from typing import Any, Sequence

import torch.distributed as dist

from espnet_plugin.checkpoints.layers import keep_layers
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
from espnet_plugin.tasks.encrl_options import EncrlTaskOptions
from espnet_plugin.tasks.named_weights import loaded_names
from espnet_plugin.tasks.narrower import narrow_reference
from espnet_plugin.tensors.precision import run_in
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["EncRLSetup"]


class EncRLSetup:
    """Loads the reference and derives the student from it.

    Args:
        options: Options of the training.

    Attributes:
        options: Options of the training.
        teacher: The frozen reference.
        reference_args: Its training configuration.
        layers: The student's layers.
        settings: Options of ESPnet that define the student.

    Raises:
        UserError: When an attribute is first used, if an option is out of range, or
            the reference cannot be used or does not fit the data.
    """

    def __init__(self, options: EncrlTaskOptions):
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
        """Options of ESPnet that define the student."""
        student = self.options.student
        derived = derive_student(
            student, self.reference_args, self.teacher.dim, self.layers
        )
        # What auto stands for.
        return {**derived, "student_init": student.init}

    def start(self, model: ESPnetEncRLModel) -> None:
        """Copy the student's initial weights, and set precision and frozen parts.

        Args:
            model: The model that ESPnet has built; changed in place.

        Raises:
            UserError: If layers fit only partly, or random weights are to be frozen.
        """
        loaded = loaded_names(self.options.loaded, model)
        copied = {*self._copy_layers(model), *loaded}
        refuse_frozen_random(self.options, model, copied)
        if not (model.objectives.use_posteriors or model.ctc_loss_weight):
            # It gets no gradient, and distributed training waits for every gradient.
            model.ctc.requires_grad_(False)
        if self.options.student.dtype != "float32":
            run_in(DTYPES[self.options.student.dtype], model.encoder)

    def _copy_layers(self, model: ESPnetEncRLModel) -> Sequence[str]:
        """Return the names of the student's tensors that were copied."""
        layers = self.layers.copied
        if layers is None:
            return ()
        state, taken = self.teacher.model.state_dict(), layers
        conf = self.settings["encoder_conf"]
        narrower = self.options.student.output_size not in (None, self.teacher.dim)
        if narrower:
            # Channels are chosen by their importance in the copied layers only.
            state, taken = keep_layers(state, layers), range(len(layers))
            wanted = self.options.student.copies_asked
            state = narrow_reference(state, self.reference_args, conf, wanted)
        report = copy_weights(state, model, taken)
        refuse_half_layers(self.options.student, report)
        logging.info(
            "layers %s of the reference%s: %s",
            list(layers),
            f", cut to width {conf['output_size']}" if narrower else "",
            report.summary(),
        )
        report.log_names()
        if not is_distributed() or dist.get_rank() == 0:
            write_json(Experiment(self.options.output_dir).copied_file, vars(report))
        return report.copied
