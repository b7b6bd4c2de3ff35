"""A student's configuration, derived from its reference's."""

import argparse
import copy
import logging
from inspect import Parameter, signature
from typing import Any, Mapping, Optional

from espnet2.tasks.asr import encoder_choices

from espnet_plugin.checkpoints.layers import keep_layer_settings
from espnet_plugin.checkpoints.width import with_width
from espnet_plugin.data.front_end import hears_by_encoder, takes_features
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.distill.students import StudentLayers, choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.names import ENCRL

__all__ = ["derive_student"]

# What the student must share with the reference for their outputs to be comparable.
_SHARED = (
    "token_list",
    "token_type",
    "bpemodel",
    "non_linguistic_symbols",
    "cleaner",
    "g2p",
    "input_size",
    "frontend",
    "frontend_conf",
    "normalize",
    "normalize_conf",
    "preencoder",
    "preencoder_conf",
    "postencoder",
    "postencoder_conf",
    "encoder",
    "encoder_conf",
    "ctc_conf",
    "use_preprocessor",
    "preprocessor",
    "preprocessor_conf",
)
# Of these, what a student with a front end of its own does not share.
_FRONT_END = (
    "frontend",
    "frontend_conf",
    "normalize",
    "normalize_conf",
    "preencoder",
    "preencoder_conf",
)
# Of the reference's model_conf, what still means something without a decoder.
_MODEL_CONF = ("ignore_id", "sym_space", "sym_blank", "sym_sos", "sym_eos")

# What a configuration of EncRL may say.
_OWN = ("objectives", "ctc_loss_weight")

# Set below, and so found in the configuration that a run leaves behind.
_DERIVED = ("ctc_weight", "teacher_dim", "resample_targets")

# What another encoder copies from the reference's, where it has such an option; how
# positions are encoded differs too much between encoders.
_COMMON = (
    "output_size",
    "attention_heads",
    "linear_units",
    "cgmlp_linear_units",
    "num_blocks",
    "dropout_rate",
    "positional_dropout_rate",
    "attention_dropout_rate",
    "input_layer",
)
# Encoder options that have an option of their own here.
_NAMED = {
    "num_blocks": "--student_num_layers",
    "output_size": "--student_output_size",
    "interctc_layer_idx": "--student_exits",
    "interctc_use_conditioning": "--student_exits",
}
# Of the reference's, what a student cannot have: fewer frames than it, or a part that
# is fed with intermediate posteriors.
_NOT_FOR_STUDENTS = ("interctc_layer_idx", "interctc_use_conditioning", "ctc_trim")


def derive_student(
    student: StudentOptions,
    reference: argparse.Namespace,
    teacher_dim: int,
    layers: StudentLayers,
) -> dict[str, Any]:
    """Return the settings of ESPnet's configuration that make the student.

    Args:
        student: How it differs from the reference.
        reference: The reference's training configuration.
        teacher_dim: Width of the reference's encoding.
        layers: The student's. Options that differ from layer to layer follow the
            layers copied; of none, evenly spaced ones.

    Returns:
        New values by name, e.g. ``encoder_conf``. What is not in it stays as it is.

    Raises:
        UserError: If a width does not fit the heads, an encoder lacks an option, or
            time warping is on.
    """
    _check_front_end(student, reference)
    encoder_conf = _encoder_conf(student, reference, teacher_dim, layers)
    return {
        **_front_end(student, reference),
        "student_num_layers": layers.number,
        "encoder": student.encoder or reference.encoder,
        "encoder_conf": encoder_conf,
        "decoder": None,
        "decoder_conf": {},
        "model": ENCRL,
        "model_conf": _model_conf(student, reference, teacher_dim, encoder_conf),
    }


def _check_front_end(student: StudentOptions, reference: argparse.Namespace) -> None:
    """Refuse a front end that the student's data or its size rule out."""
    config = vars(reference)
    if student.frontend is not None and takes_features(config):
        raise UserError(
            f"--student_frontend {student.frontend}: the reference takes features, so "
            "the student does too; remove the option"
        )
    if student.frontend is None and hears_by_encoder(config):
        raise UserError(
            f"the reference has no front end, as its encoder {reference.encoder} "
            "takes audio: give the student's front end with --student_frontend, e.g. "
            "default, as conf/encrl_whisper.yaml does"
        )


def _front_end(
    student: StudentOptions, reference: argparse.Namespace
) -> dict[str, Any]:
    """Return what is shared with the reference, front end and SpecAugment."""
    own_front_end = student.frontend is not None
    left_out = _FRONT_END if own_front_end else ()
    shared = {
        name: copy.deepcopy(getattr(reference, name))
        for name in _SHARED
        if name not in left_out and hasattr(reference, name)
    }
    if own_front_end:
        shared["frontend"] = student.frontend
        shared["frontend_conf"] = dict(student.frontend_conf)
        # Where it is given, ESPnet builds no front end.
        shared["input_size"] = None
    return {**shared, **_without_time_warp(student, reference)}


def _model_conf(
    student: StudentOptions,
    reference: argparse.Namespace,
    teacher_dim: int,
    encoder_conf: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the options of the model: of the reference's, of ours, and derived."""
    old = reference.model_conf or {}
    unknown = set(student.model_conf) - {*_OWN, *_DERIVED, *_MODEL_CONF}
    if unknown:
        raise UserError(
            f"model_conf {sorted(unknown)}: EncRL only accepts {' and '.join(_OWN)}; "
            "everything else is taken from the reference"
        )
    conf = {
        **{name: old[name] for name in _MODEL_CONF if name in old},
        **{k: v for k, v in student.model_conf.items() if k in _OWN},
        "ctc_weight": 1.0,
        "teacher_dim": teacher_dim,
    }
    theirs = _frame_rate(reference.encoder, reference.encoder_conf)
    ours = _frame_rate(student.encoder or reference.encoder, encoder_conf)
    if student.frontend is not None or ours != theirs:
        conf["resample_targets"] = True
        logging.info(
            "the student has its own front end, or a different frame rate (input "
            "layer %s) from the reference (%s): the reference's outputs are "
            "resampled. With fewer frames, CTC skips utterances that have more "
            "tokens than frames",
            ours,
            theirs,
        )
    return conf


def _encoder_conf(
    student: StudentOptions,
    reference: argparse.Namespace,
    teacher_dim: int,
    layers: StudentLayers,
) -> dict[str, Any]:
    """Return the options of the student's encoder."""
    encoder = student.encoder or reference.encoder
    if encoder is None:
        raise UserError(
            "the reference has no encoder besides its front end: give the student's "
            "encoder with --student_encoder, e.g. conformer"
        )
    known = _parameters(encoder)
    _check_encoder_conf(student, encoder, known)
    if encoder == reference.encoder:
        conf = copy.deepcopy(reference.encoder_conf)
        there = conf.get("num_blocks", known["num_blocks"].default)
        taken = layers.copied
        if taken is None:
            taken = choose_layers(there, layers.number, "spaced")
        conf = keep_layer_settings(conf, taken)
    else:
        conf = {**_in_common(reference, known), "num_blocks": layers.number}
    for option in _NOT_FOR_STUDENTS:
        conf.pop(option, None)
    if student.exits:
        conf["interctc_layer_idx"] = _exits(student, layers.number, encoder, known)
    conf.update(student.encoder_conf)
    if student.output_size is not None:
        heads = conf.get("attention_heads", 4)
        if student.output_size < 1 or student.output_size % heads:
            raise UserError(
                f"--student_output_size {student.output_size}: must be a "
                f"multiple of the student's {heads} attention heads"
            )
        # Feed-forward width follows, as in the reference.
        base = teacher_dim
        if encoder != reference.encoder and "output_size" not in conf:
            # Then neither width is the reference's, but both are the encoder's own.
            base = known["output_size"].default
        conf = with_width(
            encoder, conf, student.output_size, base, student.encoder_conf
        )
    if student.linear_units is not None:
        conf["linear_units"] = student.linear_units
    return conf


def _check_encoder_conf(
    student: StudentOptions, encoder: str, known: Mapping[str, Parameter]
) -> None:
    """Refuse options that have an option of their own here, or that are unknown."""
    named = sorted(set(student.encoder_conf) & set(_NAMED))
    if named:
        instead = sorted({_NAMED[name] for name in named})
        raise UserError(
            f"student_encoder_conf {', '.join(named)}: use {' and '.join(instead)} "
            "instead"
        )
    unknown = sorted(set(student.encoder_conf) - set(known))
    if unknown:
        raise UserError(
            f"student_encoder_conf {', '.join(unknown)}: encoder {encoder} has no "
            f"such option; it has {', '.join(sorted(set(known) - {'self'}))}"
        )


def _in_common(
    reference: argparse.Namespace, known: Mapping[str, Parameter]
) -> dict[str, Any]:
    """Return the reference's options that mean the same in another encoder."""
    theirs = {} if reference.encoder is None else _parameters(reference.encoder)
    conf = {}
    for name in _COMMON:
        if name in known and name in theirs:
            conf[name] = reference.encoder_conf.get(name, theirs[name].default)
    if "rel_pos_type" in known:
        # Some encoders still default to what ESPnet calls deprecated.
        conf["rel_pos_type"] = "latest"
    if "num_blocks" not in known:
        raise UserError(
            "--student_encoder: its layers cannot be counted; choose conformer, "
            "transformer, branchformer or e_branchformer"
        )
    return conf


def _exits(
    student: StudentOptions,
    num_layers: int,
    encoder: str,
    known: Mapping[str, Parameter],
) -> list[int]:
    exits = sorted(set(student.exits))
    if exits[0] < 1 or exits[-1] >= num_layers:
        raise UserError(
            f"--student_exits {exits}: must be from 1 to {num_layers - 1}, because "
            f"the student has {num_layers} layers"
        )
    if "interctc_layer_idx" not in known:
        raise UserError(f"--student_exits: encoder {encoder} has no interctc_layer_idx")
    return exits


def _frame_rate(encoder: Optional[str], conf: Mapping[str, Any]) -> Optional[str]:
    """Name what decides how many frames an encoder makes."""
    known = {} if encoder is None else _parameters(encoder)
    if "input_layer" not in known:
        return encoder
    return conf.get("input_layer", known["input_layer"].default)


def _parameters(encoder: str) -> Mapping[str, Parameter]:
    """Return the parameters of an encoder's constructor, by name."""
    return signature(encoder_choices.get_class(encoder)).parameters


def _without_time_warp(
    student: StudentOptions, reference: argparse.Namespace
) -> dict[str, Any]:
    """Return SpecAugment's settings, the student's own or the reference's."""
    source = vars(reference)
    if student.specaug is not None:
        source = {"specaug": student.specaug, "specaug_conf": student.specaug_conf}
    settings = {
        name: copy.deepcopy(source[name])
        for name in ("specaug", "specaug_conf")
        if name in source
    }
    if settings.get("specaug") is None:
        return settings
    # ESPnet's SpecAug warps time by default.
    conf = dict(settings.get("specaug_conf") or {})
    if conf.get("apply_time_warp", True):
        if student.specaug is not None and "apply_time_warp" in conf:
            raise UserError(
                "specaug_conf.apply_time_warp must be false for EncRL: a warped frame "
                "of the student has no frame of the teacher to be compared with"
            )
        logging.warning("specaug_conf.apply_time_warp is set to false for EncRL")
        conf["apply_time_warp"] = False
    return {**settings, "specaug_conf": conf}
