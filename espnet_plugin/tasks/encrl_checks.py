"""What is refused before EncRL starts: options and data that do not fit together."""

import argparse
from pathlib import Path
from typing import Collection, Optional

import torch

from espnet_plugin.checkpoints.layers import is_layer
from espnet_plugin.data.audio import file_rate
from espnet_plugin.data.front_end import sampling_rate
from espnet_plugin.distill.students import CopyReport, choose_layers
from espnet_plugin.errors import UserError

__all__ = [
    "check_inputs",
    "layers_to_copy",
    "refuse_frozen_random",
    "refuse_half_layers",
]


def layers_to_copy(
    args: argparse.Namespace, reference_args: argparse.Namespace
) -> Optional[list[int]]:
    """Return the reference's layer for each of the student's; None for random ones.

    Raises:
        UserError: If there are no such layers.
    """
    copies = args.student_layers or args.student_init != "random"
    other = args.student_encoder not in (None, reference_args.encoder)
    if other and copies:
        raise UserError(
            f"--student_encoder {args.student_encoder} cannot copy the layers of "
            f"the reference's {reference_args.encoder}: leave --student_layers "
            "out, with --student_init random"
        )
    if other:
        if args.student_num_layers < 1:
            raise UserError(
                f"--student_num_layers {args.student_num_layers}: must be 1 or more"
            )
        return None
    there = reference_args.encoder_conf.get("num_blocks")
    if there is None:
        raise UserError(
            f"{args.reference_config}: the layers of encoder "
            f"{reference_args.encoder} cannot be counted: name the student's with "
            "--student_encoder, e.g. conformer"
        )
    if args.student_layers:
        wrong = [i for i in args.student_layers if not 0 <= i < there]
        if wrong:
            raise UserError(
                f"--student_layers {wrong}: the reference's are 0 to {there - 1}"
            )
        args.student_num_layers = len(args.student_layers)
        return list(args.student_layers)
    how = "first" if args.student_init == "random" else args.student_init
    chosen = choose_layers(there, args.student_num_layers, how)
    return None if args.student_init == "random" else chosen


def refuse_half_layers(args: argparse.Namespace, report: CopyReport) -> None:
    """Refuse layers of which only a part fits: they would compute nothing sensible.

    Raises:
        UserError: Naming the first tensor and the way out.
    """
    wrong = [
        f"{name} is {list(ours)}, not {list(theirs)}"
        for name, theirs, ours in report.mismatched
        if is_layer(name)
    ]
    wrong += [f"it lacks {name}" for name in report.fresh if is_layer(name)]
    if wrong:
        asked = (
            f"--student_layers {args.student_layers}"
            if args.student_layers
            else f"--student_init {args.student_init}"
        )
        raise UserError(
            f"{asked}: the student's layers are not the reference's ({wrong[0]}; "
            f"{len(wrong)} tensors in all): use --student_init random, or leave the "
            "layers' options as they are"
        )


def refuse_frozen_random(
    args: argparse.Namespace, model: torch.nn.Module, copied: Collection[str]
) -> None:
    """Refuse to freeze what has random weights: nothing would ever train it.

    Args:
        args: With ESPnet's ``freeze_param``.
        model: The student.
        copied: Names of its tensors that are the reference's.

    Raises:
        UserError: Naming the first such tensor and the way out.
    """
    for prefix in args.freeze_param:
        names = [n for n, _ in model.named_parameters()]
        names = [n for n in names if n == prefix or n.startswith(f"{prefix}.")]
        if not names:
            raise UserError(f"--freeze_param {prefix}: the student has no such weight")
        wrong = [name for name in names if name not in copied]
        if wrong:
            raise UserError(
                f"--freeze_param {prefix}: {wrong[0]} would stay random, it is not "
                f"copied from the reference (--student_init {args.student_init}): "
                "copy layers, or freeze nothing (--freeze_param without a name, in a "
                "recipe --freeze '')"
            )


def check_inputs(args: argparse.Namespace, reference: argparse.Namespace) -> None:
    """Refuse data without needed transcripts, or that the reference cannot take.

    Raises:
        UserError: Naming the data file.
    """
    if args.model_conf.get("ctc_loss_weight") and "text" not in {
        name for _, name, _ in args.train_data_path_and_name_and_type
    }:
        raise UserError(
            "model_conf.ctc_loss_weight needs transcripts, which the training data has "
            "not: leave it out, or --unlabelled_sets"
        )
    wants_audio = reference.frontend is not None
    for path, name, kind in args.train_data_path_and_name_and_type:
        if name != "speech" or kind not in ("sound", "npy", "kaldi_ark"):
            continue
        is_audio = kind == "sound" or path.endswith("wav.scp")
        if is_audio != wants_audio:
            has = "audio" if is_audio else "features"
            wants = "audio, --feats_type raw" if wants_audio else "features, fbank"
            raise UserError(
                f"{path} holds {has}, but the reference takes {wants} "
                f"({args.reference_config}: frontend {reference.frontend})"
            )
        if kind == "sound":
            _check_rate(args, reference, path)
    if not wants_audio:
        _check_width(args, reference)


def _check_rate(
    args: argparse.Namespace, reference: argparse.Namespace, path: str
) -> None:
    """Compare the first file of a table with the reference's front end."""
    wanted = sampling_rate(vars(reference), args.reference_config)
    file = _first_value(path)
    rate = file_rate(file)
    if None not in (wanted, rate) and rate != wanted:
        raise UserError(
            f"{path}: {file} has {rate} Hz, but the reference's front end is for "
            f"{wanted} ({args.reference_config}: frontend_conf.fs): resample the audio "
            f"and give --fs {wanted}"
        )


def _check_width(args: argparse.Namespace, reference: argparse.Namespace) -> None:
    """Compare the features, as stage 2 wrote their shapes, with the reference."""
    for path in args.train_shape_file[:1]:
        _, _, width = _first_value(path).partition(",")
        if width and int(width) != reference.input_size:
            raise UserError(
                f"{path}: features are {width} wide, but the reference takes "
                f"{reference.input_size} ({args.reference_config}: input_size): run "
                "stage 2 again with the same --reference"
            )


def _first_value(path: str) -> str:
    """Return what stands behind the first name of a table that is there."""
    if not Path(path).is_file():
        return ""  # which ESPnet says itself
    with Path(path).open(encoding="utf-8") as stream:
        return stream.readline().partition(" ")[2].strip()
