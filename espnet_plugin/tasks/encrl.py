"""EncRL pre-training as an ESPnet task."""

import argparse
import logging
from typing import Tuple

import torch
import torch.distributed as dist
from espnet2.tasks.asr import encoder_choices, frontend_choices
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none, str_or_none

from espnet_plugin import host
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill.cache import CachedTeacher
from espnet_plugin.distill.config import derive_student
from espnet_plugin.distill.students import INITS, copy_weights
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import write_json
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.encrl_checks import (
    check_inputs,
    layers_to_copy,
    refuse_frozen_random,
    refuse_half_layers,
)
from espnet_plugin.tasks.teacher_cache import build_cache
from espnet_plugin.tensors.precision import run_in
from espnet_plugin.tensors.ranks import is_distributed

__all__ = ["EncRLTask"]

_DTYPES = ("float32", "bfloat16")

# At import, because a spawned rank imports this module to find the task.
host.register()


class EncRLTask(CountedASRTask):
    """Trains a student encoder to match a frozen reference model.

    The student's architecture, tokens, front end and statistics are the reference's
    own, less what the options say; they need not (and cannot) be given.
    """

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the options of EncRL to those of ESPnet's ASR task."""
        super().add_task_arguments(parser)
        # The token list is the reference's.
        parser.set_defaults(required=["output_dir"])
        group = parser.add_argument_group(description="EncRL related")
        group.add_argument(
            "--reference_config",
            type=str_or_none,
            help="config.yaml of the reference model",
        )
        group.add_argument(
            "--reference_model_file", type=str_or_none, help="Its checkpoint"
        )
        group.add_argument(
            "--objectives",
            nargs="*",
            default=[],
            help="Use only these, with their options from model_conf.objectives",
        )
        group.add_argument(
            "--student_num_layers", type=int, default=6, help="Encoder layers"
        )
        group.add_argument(
            "--student_init",
            choices=INITS,
            default="random",
            help="random (the paper's), or which of the reference's layers to copy; "
            "front end and CTC layer are copied with them",
        )
        group.add_argument(
            "--student_layers",
            type=int,
            nargs="*",
            default=[],
            help="Copy exactly these layers of the reference, counted from 0",
        )
        group.add_argument(
            "--student_exits",
            type=int,
            nargs="*",
            default=[],
            help="Layers after which the student matches the reference as well, so "
            "that smaller models can be cut out",
        )
        group.add_argument(
            "--student_encoder",
            type=str_or_none,
            choices=encoder_choices.choices(),
            default=None,
            help="Another encoder than the reference's, e.g. e_branchformer",
        )
        group.add_argument(
            "--student_encoder_conf",
            action=NestedDictAction,
            default=dict(),
            help="What differs from the reference's, e.g. input_layer=conv2d6 for a "
            "student with fewer frames",
        )
        group.add_argument(
            "--student_frontend",
            type=str_or_none,
            choices=frontend_choices.choices(),
            default=None,
            help="A front end of the student's own, e.g. default where the reference's "
            "is a large pre-trained model; --normalize and --preencoder are then the "
            "student's as well",
        )
        group.add_argument(
            "--student_frontend_conf",
            action=NestedDictAction,
            default=dict(),
            help="Its options",
        )
        group.add_argument(
            "--student_output_size",
            type=int_or_none,
            default=None,
            help="Width of the student's encoder; the reference's by default",
        )
        group.add_argument(
            "--student_linear_units",
            type=int_or_none,
            default=None,
            help="Feed-forward width; by default in the reference's proportion",
        )
        group.add_argument(
            "--student_dtype",
            choices=_DTYPES,
            default="float32",
            help="Of the products in the student's encoder while EncRL trains it; "
            "bfloat16 where the hardware is fast at it. Weights and updates stay in "
            "single precision. On GPUs --use_amp does as much",
        )
        group.add_argument(
            "--teacher_dtype",
            choices=_DTYPES,
            default="float32",
            help="Of the products in the reference's encoder; bfloat16 where the "
            "hardware is fast at it",
        )
        group.add_argument(
            "--teacher_cache",
            type=str_or_none,
            default=None,
            help="Folder for the reference's outputs: computed once, then read",
        )
        group.add_argument(
            "--teacher_cache_top",
            type=int,
            default=0,
            help="Store only so many tokens of each frame (0: all)",
        )

    @classmethod
    def required_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return what every utterance must have: transcripts are not needed."""
        return ("speech",)

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return what an utterance may have."""
        return ("text", *super().optional_data_names(train, inference))

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the student, start it as asked and attach the frozen reference.

        Raises:
            UserError: If an option is out of range or the reference is unusable.
        """
        for option in ("reference_config", "reference_model_file"):
            if getattr(args, option) is None:
                raise UserError(f"--{option} is needed: what should be learnt from?")
        reference, reference_args = load_asr_model(
            args.reference_config, args.reference_model_file, "cpu"
        )
        check_inputs(args, reference_args)
        teacher = FrozenTeacher(reference, getattr(torch, args.teacher_dtype))
        layers = layers_to_copy(args, reference_args)
        if args.objectives:
            given = args.model_conf.get("objectives") or {}
            args.model_conf["objectives"] = {n: given.get(n) for n in args.objectives}
        derive_student(args, reference_args, teacher.dim, layers)
        # ESPnet's own initialisation would go over what is copied below, not over the
        # teacher, which is no part of the model.
        model = super().build_model(args)
        copied: list[str] = []
        if layers is not None:
            report = copy_weights(teacher.model.state_dict(), model, layers)
            refuse_half_layers(args, report)
            copied = report.copied
            logging.info("layers %s of the reference: %s", layers, report.summary())
            if not is_distributed() or dist.get_rank() == 0:
                write_json(Experiment(args.output_dir).copied_file, vars(report))
        refuse_frozen_random(args, model, copied)
        if not model.objectives.use_posteriors:
            # Nothing would train it, and ranks wait for every gradient.
            model.ctc.requires_grad_(False)
        if args.student_dtype != "float32":
            run_in(getattr(torch, args.student_dtype), model.encoder)
        if args.teacher_cache is None:
            model.attach_teacher(teacher)
        else:
            store = build_cache(cls, args, teacher, model.seconds_per_input)
            model.attach_teacher(CachedTeacher(store))
        return model

    @classmethod
    def note_scores(cls, model) -> None:
        """Note how far each utterance is from the reference, where data is chosen."""
        model.score_book = cls.score_book
