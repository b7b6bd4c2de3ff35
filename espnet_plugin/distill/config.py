"""Derive the configuration of a student from that of its reference."""

import argparse
import copy
import logging
from inspect import Parameter, signature
from typing import Any, Mapping, Optional

from espnet2.tasks.asr import encoder_choices

from espnet_plugin.checkpoints.encrl_options import CONFIGURED, DERIVED
from espnet_plugin.checkpoints.layers import keep_layer_settings
from espnet_plugin.checkpoints.width import with_width
from espnet_plugin.data.front_end import hears_by_encoder, takes_features
from espnet_plugin.distill.exit_weights import read_exit_weights
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.distill.students import StudentLayers, choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.names import ENCRL

__all__ = ["derive_student"]

# Options that must be the same for student and reference, whose outputs are compared.
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
# The options among these that differ if the student has a front end of its own.
_FRONT_END = (
    "frontend",
    "frontend_conf",
    "normalize",
    "normalize_conf",
    "preencoder",
    "preencoder_conf",
)
# Options in the reference's model_conf that also apply without a decoder.
_MODEL_CONF = ("ignore_id", "sym_space", "sym_blank", "sym_sos", "sym_eos")

# Options that are set below, so that they are in the configuration of a finished run.
_DERIVED = ("ctc_weight", *DERIVED)

# Options that a different encoder copies from the reference's, if it has them. Options
# for position encoding are not copied, because they differ too much between encoders.
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
# Encoder options that are set by an option of the task.
_NAMED = {
    "num_blocks": "--student_num_layers",
    "output_size": "--student_output_size",
    "interctc_layer_idx": "--student_exits",
    "interctc_use_conditioning": "--student_exits",
}
# Encoder options of the reference that a student cannot have: they drop frames or feed
# intermediate posteriors back.
_NOT_FOR_STUDENTS = ("interctc_layer_idx", "interctc_use_conditioning", "ctc_trim")


def derive_student(
    student: StudentOptions,
    reference: argparse.Namespace,
    teacher_dim: int,
    layers: StudentLayers,
) -> dict[str, Any]:
    """Return the options of ESPnet's configuration that define the student.

    Args:
        student: How the student differs from the reference.
        reference: Training configuration of the reference.
        teacher_dim: Width of the reference's encoding.
        layers: Layers of the student. Options with a value for each layer are those of
            the copied layers, or of evenly spaced ones if none are copied.

    Returns:
        New values by name, e.g. ``encoder_conf``. Other options do not change.

    Raises:
        UserError: If a width does not fit the attention heads, the encoder does not
            have an option, the student needs a front end, or time warping is on.
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
    """Check that the student has a front end if and only if it needs one."""
    config = vars(reference)
    if student.frontend is not None and takes_features(config):
        raise UserError(
            f"--student_frontend {student.frontend}: the reference takes features, and "
            "the student takes the same: remove the option"
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
    """Return the shared options, and those of the front end and SpecAugment."""
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
        # With a given input_size ESPnet builds no front end.
        shared["input_size"] = None
    return {**shared, **_without_time_warp(student, reference)}


def _model_conf(
    student: StudentOptions,
    reference: argparse.Namespace,
    teacher_dim: int,
    encoder_conf: Mapping[str, Any],
) -> dict[str, Any]:
    """Return ``model_conf``: options of the reference, of EncRL, and derived ones."""
    old = reference.model_conf or {}
    unknown = set(student.model_conf) - {*CONFIGURED, *_DERIVED, *_MODEL_CONF}
    if unknown:
        raise UserError(
            f"model_conf {sorted(unknown)}: EncRL only accepts "
            f"{', '.join(CONFIGURED)}; remove the others, which are taken from the "
            "reference"
        )
    read_exit_weights(student.model_conf.get("exit_weights"), student.exits)
    conf = {
        **{name: old[name] for name in _MODEL_CONF if name in old},
        **{k: v for k, v in student.model_conf.items() if k in CONFIGURED},
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
        # The feed-forward width is scaled in proportion.
        base = teacher_dim
        if encoder != reference.encoder and "output_size" not in conf:
            # Then both widths are defaults of the encoder, not the reference's.
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
    """Refuse encoder options that are unknown or that an option of the task sets."""
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
            f"such option: choose from {', '.join(sorted(set(known) - {'self'}))}"
        )


def _in_common(
    reference: argparse.Namespace, known: Mapping[str, Parameter]
) -> dict[str, Any]:
    """Return the reference's options that have the same meaning in another encoder."""
    theirs = {} if reference.encoder is None else _parameters(reference.encoder)
    conf = {}
    for name in _COMMON:
        if name in known and name in theirs:
            conf[name] = reference.encoder_conf.get(name, theirs[name].default)
    if "rel_pos_type" in known:
        # The default of some encoders is deprecated in ESPnet.
        conf["rel_pos_type"] = "latest"
    if "num_blocks" not in known:
        raise UserError(
            "--student_encoder: this encoder has no num_blocks, so its number of "
            "layers cannot be set: choose conformer, transformer, branchformer or "
            "e_branchformer"
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
        raise UserError(
            f"--student_exits: encoder {encoder} has no interctc_layer_idx: remove the "
            "option, or choose another encoder"
        )
    return exits


def _frame_rate(encoder: Optional[str], conf: Mapping[str, Any]) -> Optional[str]:
    """Return what determines the frame rate: input layer, or name of the encoder."""
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
                "specaug_conf.apply_time_warp must be false for EncRL, because warped "
                "frames of the student do not match frames of the teacher"
            )
        logging.warning("specaug_conf.apply_time_warp is set to false for EncRL")
        conf["apply_time_warp"] = False
    return {**settings, "specaug_conf": conf}
