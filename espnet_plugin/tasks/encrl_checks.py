"""Checks before EncRL starts: whether options, reference and data fit together."""

import argparse
from pathlib import Path
from typing import Collection

import torch

from espnet_plugin.checkpoints.audio_scale import refuse_other_scale
from espnet_plugin.checkpoints.layers import is_layer
from espnet_plugin.data.audio import file_rate
from espnet_plugin.data.front_end import sampling_rate, takes_features
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.distill.students import CopyReport
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs
from espnet_plugin.tasks.encrl_options import EncrlTaskOptions
from espnet_plugin.tasks.named_weights import known_modules

__all__ = [
    "check_inputs",
    "refuse_frozen_random",
    "refuse_half_layers",
]

_WHISPER_SECONDS = 30  # the length of its position embeddings


def refuse_half_layers(student: StudentOptions, report: CopyReport) -> None:
    """Refuse layers that were only partly copied, and would not work.

    Raises:
        UserError: If a tensor of a copied layer is missing or has another shape.
    """
    wrong = [
        f"{name} is {list(ours)}, not {list(theirs)}"
        for name, theirs, ours in report.mismatched
        if is_layer(name)
    ]
    wrong += [f"it lacks {name}" for name in report.fresh if is_layer(name)]
    if wrong:
        raise UserError(
            f"{student.copies_asked}: the student's layers differ from the "
            f"reference's ({wrong[0]}; {len(wrong)} tensors in all): use "
            "--student_init random, or do not change the options of the layers"
        )


def refuse_frozen_random(
    options: EncrlTaskOptions, model: torch.nn.Module, copied: Collection[str]
) -> None:
    """Refuse to freeze random weights, which would never be trained.

    Args:
        options: Options of the training.
        model: The student.
        copied: Names of its tensors that were copied from the reference, or that
            ``init_param`` fills.

    Raises:
        UserError: If a frozen tensor is not among them, or does not exist.
    """
    for prefix in options.frozen:
        known = [n for n, _ in model.named_parameters()]
        names = [n for n in known if n == prefix or n.startswith(f"{prefix}.")]
        if not names:
            raise UserError(
                f"--freeze_param {prefix}: the student has no such parameter"
                f"{known_modules(prefix, known)}"
            )
        wrong = [name for name in names if name not in copied]
        if wrong:
            raise UserError(
                f"--freeze_param {prefix}: {wrong[0]} would keep random weights, "
                "because it is not copied from the reference (--student_init "
                f"{options.student.init}) or loaded (--init_param): copy layers, or "
                "freeze nothing "
                "(--freeze_param without a name, in a recipe --freeze '')"
            )


def check_inputs(options: EncrlTaskOptions, reference: argparse.Namespace) -> None:
    """Check that the training data has transcripts if needed and fits the reference.

    Raises:
        UserError: If transcripts are missing, or audio or features do not fit the
            reference (kind, sampling rate, width, scale or duration).
    """
    tables = options.data.train
    if options.student.model_conf.get("ctc_loss_weight") and "text" not in {
        name for _, name, _ in tables
    }:
        raise UserError(
            "model_conf.ctc_loss_weight needs transcripts, but the training data has "
            "none: remove it, or --unlabelled_sets"
        )
    if vars(reference).get("encoder") == "whisper":
        _check_length(options)
    wants_audio = not takes_features(vars(reference))
    for path, name, kind in tables:
        if name != "speech" or kind not in ("sound", "npy", "kaldi_ark"):
            continue
        is_audio = kind == "sound" or path.endswith("wav.scp")
        if is_audio != wants_audio:
            has = "audio" if is_audio else "features"
            wants = "audio" if wants_audio else "features"
            raise UserError(
                f"{path} holds {has}, but the reference takes {wants} "
                f"({options.reference.config}: frontend {reference.frontend}): run "
                f"stage 2 again with --feats_type {'raw' if wants_audio else 'fbank'}"
            )
        if kind == "sound":
            _check_rate(options, reference, path)
    refuse_other_scale(options.reference.config, vars(reference), tables)
    if not wants_audio:
        _check_width(options, reference)


def _check_length(options: EncrlTaskOptions) -> None:
    """Refuse utterances that are too long for Whisper's encoder."""
    most = _WHISPER_SECONDS * 16000
    for path in (*options.data.train_shapes, *options.data.valid_shapes):
        if not Path(path).is_file():
            continue  # ESPnet reports it
        for name, length in read_pairs(path).items():
            samples = int(length.split(",")[0])
            if samples > most:
                raise UserError(
                    f"{path}: {name} has {samples / 16000:.1f} s, but the reference's "
                    f"encoder, Whisper, takes at most {_WHISPER_SECONDS} s: run stage "
                    f"2 again with --max_wav_duration {_WHISPER_SECONDS} and "
                    "--bad_utterances drop"
                )


def _check_rate(
    options: EncrlTaskOptions, reference: argparse.Namespace, path: str
) -> None:
    """Compare the first file of a table with the reference's front end."""
    wanted = sampling_rate(vars(reference), options.reference.config)
    file = _first_value(path)
    rate = file_rate(file)
    if None not in (wanted, rate) and rate != wanted:
        raise UserError(
            f"{path}: {file} has {rate} Hz, but the reference's front end is for "
            f"{wanted} ({options.reference.config}: frontend_conf.fs): resample the "
            f"audio and give --fs {wanted}"
        )


def _check_width(options: EncrlTaskOptions, reference: argparse.Namespace) -> None:
    """Compare the width of the features in the shape files with the reference."""
    for path in options.data.train_shapes[:1]:
        _, _, width = _first_value(path).partition(",")
        if width and int(width) != reference.input_size:
            raise UserError(
                f"{path}: features have {width} values per frame, but the reference "
                f"takes {reference.input_size} ({options.reference.config}: "
                "input_size): run stage 2 again with the same --reference"
            )


def _first_value(path: str) -> str:
    """Return the value in the first line of a table; empty if there is none."""
    if not Path(path).is_file():
        return ""  # ESPnet reports it
    with Path(path).open(encoding="utf-8") as stream:
        return stream.readline().partition(" ")[2].strip()
