"""The options of EncRL: declared for ESPnet's parser, read once, never changed."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2.tasks.asr import encoder_choices, frontend_choices
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none, str_or_none

from espnet_plugin.distill.options import DTYPES, ReferenceOptions, StudentOptions
from espnet_plugin.distill.starts import STARTS, start_of
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.cache_options import DataTables, add_cache_options

__all__ = ["EncrlTaskOptions", "add_encrl_options", "read_reference"]


@dataclass(frozen=True)
class EncrlTaskOptions:
    """Options of an EncRL training: reference, student and data.

    Attributes:
        reference: Files of the reference.
        student: Options of the student.
        data: Training and development data.
        frozen: Prefixes of frozen parameters (ESPnet's ``freeze_param``).
        loaded: Files and parts that ESPnet loads into the student before the training
            (ESPnet's ``init_param``).
        output_dir: The experiment's folder.
    """

    reference: ReferenceOptions
    student: StudentOptions
    data: DataTables
    frozen: tuple[str, ...]
    loaded: tuple[str, ...]
    output_dir: Path

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "EncrlTaskOptions":
        """Read the parsed options of an EncRL training.

        Raises:
            UserError: If the reference is not given, or options contradict each other.
        """
        return cls(
            read_reference(args),
            StudentOptions(
                num_layers=args.student_num_layers,
                init=start_of(args.student_init, vars(args)),
                layers=tuple(args.student_layers),
                exits=tuple(args.student_exits),
                encoder=args.student_encoder,
                encoder_conf=args.student_encoder_conf,
                frontend=args.student_frontend,
                frontend_conf=args.student_frontend_conf,
                output_size=args.student_output_size,
                linear_units=args.student_linear_units,
                dtype=args.student_dtype,
                specaug=args.specaug,
                specaug_conf=args.specaug_conf,
                model_conf=_model_conf(args),
            ),
            DataTables.from_args(args),
            tuple(args.freeze_param),
            tuple(args.init_param or ()),
            Path(args.output_dir),
        )


def add_encrl_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of EncRL, in addition to those of ESPnet's ASR task."""
    # The token list is the reference's.
    parser.set_defaults(required=["output_dir"])
    group = parser.add_argument_group(description="EncRL related")
    group.add_argument(
        "--reference_config",
        type=str_or_none,
        help="config.yaml of the reference model",
    )
    group.add_argument(
        "--reference_model_file",
        type=str_or_none,
        help="Checkpoint of the reference model",
    )
    group.add_argument(
        "--objectives",
        nargs="*",
        default=[],
        help="Use only these objectives, with their options from model_conf.objectives",
    )
    group.add_argument(
        "--student_num_layers", type=int, default=6, help="Number of encoder layers"
    )
    group.add_argument(
        "--student_init",
        choices=STARTS,
        default=STARTS[0],
        help="random (as in the paper), or which of the reference's layers to copy; "
        "front end and CTC layer are then copied too. auto: spaced if the student only "
        "has fewer layers than the reference, otherwise random",
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
        help="Encoder of the student, if it differs from the reference's, e.g. "
        "e_branchformer",
    )
    group.add_argument(
        "--student_encoder_conf",
        action=NestedDictAction,
        default=dict(),
        help="Encoder options that differ from the reference's, e.g. "
        "input_layer=conv2d6 for a student with fewer frames",
    )
    group.add_argument(
        "--student_frontend",
        type=str_or_none,
        choices=frontend_choices.choices(),
        default=None,
        help="Front end of the student, if it has its own, e.g. default where the "
        "reference's is a large pre-trained model; --normalize and --preencoder then "
        "also belong to the student",
    )
    group.add_argument(
        "--student_frontend_conf",
        action=NestedDictAction,
        default=dict(),
        help="Options of that front end",
    )
    group.add_argument(
        "--student_output_size",
        type=int_or_none,
        default=None,
        help="Width of the student's encoder; default: the reference's",
    )
    group.add_argument(
        "--student_linear_units",
        type=int_or_none,
        default=None,
        help="Feed-forward width; default: in proportion to the reference's",
    )
    group.add_argument(
        "--student_dtype",
        choices=tuple(DTYPES),
        default="float32",
        help="Data type of matrix products in the student's encoder during EncRL; "
        "use bfloat16 if the hardware computes it fast. Weights and updates stay in "
        "single precision. On GPUs --use_amp has the same effect",
    )
    group.add_argument(
        "--teacher_dtype",
        choices=tuple(DTYPES),
        default="float32",
        help="Data type of matrix products in the reference's encoder; use bfloat16 "
        "if the hardware computes it fast",
    )
    add_cache_options(group)


def read_reference(args: argparse.Namespace) -> ReferenceOptions:
    """Read the reference from the parsed options of an EncRL training.

    Raises:
        UserError: If one of its two files is not given.
    """
    for option in ("reference_config", "reference_model_file"):
        if getattr(args, option) is None:
            raise UserError(
                f"--{option} is needed: give the reference that the student learns "
                "from"
            )
    return ReferenceOptions(
        Path(args.reference_config), Path(args.reference_model_file), args.teacher_dtype
    )


def _model_conf(args: argparse.Namespace) -> dict[str, Any]:
    """Return ``model_conf`` with only the objectives of ``--objectives``."""
    if not args.objectives:
        return args.model_conf
    given = args.model_conf.get("objectives") or {}
    chosen = {name: given.get(name) for name in args.objectives}
    return {**args.model_conf, "objectives": chosen}
