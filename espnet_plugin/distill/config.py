"""A student's configuration, derived from its reference's."""

import argparse
import copy
import logging
from inspect import Parameter, signature
from typing import Mapping

from espnet2.tasks.asr import encoder_choices

from espnet_plugin import host
from espnet_plugin.errors import UserError

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
# Of the reference's model_conf, what still means something without a decoder.
_MODEL_CONF = ("ignore_id", "sym_space", "sym_blank", "sym_sos", "sym_eos")

# What a configuration of EncRL may say.
_OWN = ("objectives", "ctc_loss_weight")

# Set below, and so found in the configuration that a run leaves behind.
_DERIVED = ("ctc_weight", "teacher_dim")


def derive_student(
    args: argparse.Namespace, reference: argparse.Namespace, teacher_dim: int
) -> None:
    """Fill in the student's half of ``args`` from the reference's configuration.

    Args:
        args: Of :class:`espnet_plugin.tasks.encrl.EncRLTask`; changed in place.
        reference: The reference's training configuration.
        teacher_dim: Width of the reference's encoding.

    Raises:
        UserError: If a width does not fit the heads, or time warping is on.
    """
    specaug_given = args.specaug is not None
    for name in _SHARED + (() if specaug_given else ("specaug", "specaug_conf")):
        if hasattr(reference, name):
            setattr(args, name, copy.deepcopy(getattr(reference, name)))
    _forbid_time_warp(args, specaug_given)
    conf = args.encoder_conf
    conf["num_blocks"] = args.student_num_layers
    for option in ("interctc_layer_idx", "interctc_use_conditioning"):
        conf.pop(option, None)
    if args.student_exits:
        exits = sorted(set(args.student_exits))
        if exits[0] < 1 or exits[-1] >= args.student_num_layers:
            raise UserError(
                f"--student_exits {exits}: must be 1 to {args.student_num_layers - 1}, "
                f"below the student's {args.student_num_layers} layers"
            )
        if "interctc_layer_idx" not in _parameters(args.encoder):
            raise UserError(
                f"--student_exits: encoder {args.encoder} has no interctc_layer_idx"
            )
        conf["interctc_layer_idx"] = exits
    if args.student_output_size is not None:
        heads = conf.get("attention_heads", 4)
        if args.student_output_size < 1 or args.student_output_size % heads:
            raise UserError(
                f"--student_output_size {args.student_output_size}: must be a "
                f"multiple of the reference's {heads} attention heads"
            )
        # Feed-forward width follows, as in the reference.
        defaults = _parameters(args.encoder)
        for name in ("linear_units", "cgmlp_linear_units"):
            if name in defaults:
                width = conf.get(name, defaults[name].default)
                conf[name] = width * args.student_output_size // teacher_dim
        conf["output_size"] = args.student_output_size
    if args.student_linear_units is not None:
        conf["linear_units"] = args.student_linear_units
    old = reference.model_conf or {}
    unknown = set(args.model_conf) - {*_OWN, *_DERIVED, *_MODEL_CONF}
    if unknown:
        raise UserError(
            f"model_conf {sorted(unknown)}: EncRL takes {' and '.join(_OWN)} only, the "
            "rest follows from the reference"
        )
    args.model = host.ENCRL
    args.model_conf = {
        **{name: old[name] for name in _MODEL_CONF if name in old},
        **{k: v for k, v in args.model_conf.items() if k in _OWN},
        "ctc_weight": 1.0,
        "teacher_dim": teacher_dim,
    }
    args.decoder, args.decoder_conf = None, {}


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
