"""A student's configuration, derived from its reference's."""

import argparse
import copy
import logging
from inspect import Parameter, signature
from typing import Any, Mapping, Optional, Sequence

from espnet2.tasks.asr import encoder_choices

from espnet_plugin.checkpoints.layers import keep_layer_settings
from espnet_plugin.distill.students import choose_layers
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

# What another encoder takes over of the reference's, where it has such an option; how
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
    args: argparse.Namespace,
    reference: argparse.Namespace,
    teacher_dim: int,
    layers: Optional[Sequence[int]] = None,
) -> None:
    """Fill in the student's half of ``args`` from the reference's configuration.

    Args:
        args: Of :class:`espnet_plugin.tasks.encrl.EncRLTask`; changed in place.
        reference: The reference's training configuration.
        teacher_dim: Width of the reference's encoding.
        layers: The reference's layer for each of the student's; evenly spaced ones by
            default. Options that differ from layer to layer follow them.

    Raises:
        UserError: If a width does not fit the heads, an encoder lacks an option, or
            time warping is on.
    """
    specaug_given = args.specaug is not None
    own_front_end = args.student_frontend is not None
    if own_front_end and reference.frontend is None:
        raise UserError(
            f"--student_frontend {args.student_frontend}: the reference takes "
            "features, and so does the student; leave it out"
        )
    for name in _SHARED + (() if specaug_given else ("specaug", "specaug_conf")):
        if own_front_end and name in _FRONT_END:
            continue
        if hasattr(reference, name):
            setattr(args, name, copy.deepcopy(getattr(reference, name)))
    if own_front_end:
        args.frontend = args.student_frontend
        args.frontend_conf = dict(args.student_frontend_conf)
    elif args.student_frontend_conf:
        raise UserError("student_frontend_conf: name its --student_frontend as well")
    _forbid_time_warp(args, specaug_given)
    args.encoder_conf = _encoder_conf(args, reference, teacher_dim, layers)
    args.encoder = args.student_encoder or reference.encoder
    old = reference.model_conf or {}
    unknown = set(args.model_conf) - {*_OWN, *_DERIVED, *_MODEL_CONF}
    if unknown:
        raise UserError(
            f"model_conf {sorted(unknown)}: EncRL takes {' and '.join(_OWN)} only, the "
            "rest follows from the reference"
        )
    args.model = ENCRL
    args.model_conf = {
        **{name: old[name] for name in _MODEL_CONF if name in old},
        **{k: v for k, v in args.model_conf.items() if k in _OWN},
        "ctc_weight": 1.0,
        "teacher_dim": teacher_dim,
    }
    theirs = _frame_rate(reference.encoder, reference.encoder_conf)
    ours = _frame_rate(args.encoder, args.encoder_conf)
    if own_front_end or ours != theirs:
        args.model_conf["resample_targets"] = True
        logging.info(
            "the student has a front end of its own, or other frames (input layer %s) "
            "than the reference (%s): the reference's outputs are resampled. Fewer "
            "frames must still hold every transcript: CTC passes over an utterance "
            "with more tokens than frames",
            ours,
            theirs,
        )
    args.decoder, args.decoder_conf = None, {}


def _encoder_conf(
    args: argparse.Namespace,
    reference: argparse.Namespace,
    teacher_dim: int,
    layers: Optional[Sequence[int]],
) -> dict[str, Any]:
    """Return the options of the student's encoder."""
    encoder = args.student_encoder or reference.encoder
    if encoder is None:
        raise UserError(
            "the reference has no encoder besides its front end: name the student's "
            "with --student_encoder, e.g. conformer"
        )
    known = _parameters(encoder)
    named = sorted(set(args.student_encoder_conf) & set(_NAMED))
    if named:
        instead = sorted({_NAMED[name] for name in named})
        raise UserError(
            f"student_encoder_conf {', '.join(named)}: give {' and '.join(instead)}"
        )
    unknown = sorted(set(args.student_encoder_conf) - set(known))
    if unknown:
        raise UserError(
            f"student_encoder_conf {', '.join(unknown)}: encoder {encoder} has no "
            f"such option; it has {', '.join(sorted(set(known) - {'self'}))}"
        )
    if encoder == reference.encoder:
        conf = copy.deepcopy(reference.encoder_conf)
        there = conf.get("num_blocks", known["num_blocks"].default)
        if layers is None:
            layers = choose_layers(there, args.student_num_layers, "spaced")
        conf = keep_layer_settings(conf, layers)
    else:
        conf = _in_common(reference, known)
        conf["num_blocks"] = args.student_num_layers
    for option in _NOT_FOR_STUDENTS:
        conf.pop(option, None)
    if args.student_exits:
        conf["interctc_layer_idx"] = _exits(args, encoder, known)
    conf.update(args.student_encoder_conf)
    if args.student_output_size is not None:
        heads = conf.get("attention_heads", 4)
        if args.student_output_size < 1 or args.student_output_size % heads:
            raise UserError(
                f"--student_output_size {args.student_output_size}: must be a "
                f"multiple of the student's {heads} attention heads"
            )
        # Feed-forward width follows, as in the reference.
        for name in ("linear_units", "cgmlp_linear_units"):
            if name in known and name not in args.student_encoder_conf:
                width = conf.get(name, known[name].default)
                conf[name] = width * args.student_output_size // teacher_dim
        conf["output_size"] = args.student_output_size
    if args.student_linear_units is not None:
        conf["linear_units"] = args.student_linear_units
    return conf


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
    args: argparse.Namespace, encoder: str, known: Mapping[str, Parameter]
) -> list[int]:
    exits = sorted(set(args.student_exits))
    if exits[0] < 1 or exits[-1] >= args.student_num_layers:
        raise UserError(
            f"--student_exits {exits}: must be 1 to {args.student_num_layers - 1}, "
            f"below the student's {args.student_num_layers} layers"
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


def _forbid_time_warp(args: argparse.Namespace, given: bool) -> None:
    if args.specaug is None:
        return
    # ESPnet's SpecAug warps time unless it is told not to.
    if args.specaug_conf.get("apply_time_warp", True):
        if given and "apply_time_warp" in args.specaug_conf:
            raise UserError(
                "specaug_conf.apply_time_warp must be false for EncRL: a warped frame "
                "of the student has no frame of the teacher to be compared with"
            )
        logging.warning("specaug_conf.apply_time_warp is set to false for EncRL")
        args.specaug_conf["apply_time_warp"] = False
