"""Refuse models that cannot be exported, before any work is done."""

from pathlib import Path
from typing import Any, Mapping

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.export.graph.encoder import encoder_stride
from espnet_plugin.names import DUAL_MODE

__all__ = ["ENCODERS", "check_config", "check_model", "check_volume"]

ENCODERS = ("conformer", "e_branchformer", "branchformer", "transformer")
_NORMALISATIONS = (None, "global_mvn", "utterance_mvn")
_TOKEN_TYPES = (None, "char", "bpe", "word", "phn")
_POSITIONS = (
    "PositionalEncoding",
    "RelPositionalEncoding",
    "LegacyRelPositionalEncoding",
)
_BLANK = "<blank>"
_INPUT_LAYERS = ("conv2d", "conv2d1", "conv2d2", "conv2d6", "conv2d8")


def check_config(config: Mapping[str, Any], where: Path) -> None:
    """Check that the model of a configuration can be exported.

    Args:
        config: An experiment's ``config.yaml``.
        where: Path of the file, for messages.

    Raises:
        UserError: If an option has a value that is not supported.
    """
    if (config.get("model_conf") or {}).get("ctc_weight") == 0.0:
        raise UserError(
            f"{where}: model_conf.ctc_weight is 0: the model has no CTC layer, and an "
            "attention decoder is not exported; train with a ctc_weight above 0"
        )
    check_volume(config, where)
    encoder = config["encoder"]
    # The full-context mode of a dual-mode encoder is exported like other encoders.
    if encoder not in (*ENCODERS, DUAL_MODE):
        raise UserError(
            f"{where}: encoder {encoder} cannot be exported; supported are "
            f"{', '.join(ENCODERS)}"
        )
    for part in ("preencoder", "postencoder"):
        if config.get(part):
            raise UserError(
                f"{where}: {part} {config[part]} cannot be exported: only models with "
                "nothing but front end, normalisation and encoder can be exported; "
                "train without it"
            )
    if (config.get("encoder_conf") or {}).get("ctc_trim"):
        raise UserError(
            f"{where}: encoder_conf.ctc_trim: true cannot be exported: the number of "
            "frames would depend on what was recognised; train without it"
        )
    frontend = config.get("frontend", "default")
    if frontend not in (None, "default"):
        raise UserError(
            f"{where}: frontend {frontend} cannot be exported; supported are default, "
            "and none (a model that takes features)"
        )
    if frontend == "default":
        _check_front_end(config.get("frontend_conf") or {}, where)
    if config.get("normalize") not in _NORMALISATIONS:
        raise UserError(
            f"{where}: normalize {config['normalize']} cannot be exported; supported "
            "are global_mvn, utterance_mvn and none"
        )
    if config.get("token_type") not in _TOKEN_TYPES:
        raise UserError(
            f"{where}: token_type {config['token_type']}: a device can only join the "
            "tokens of char, bpe, word or phn"
        )


def check_volume(config: Mapping[str, Any], where: Path) -> None:
    """Refuse a model whose audio ESPnet scales before the model gets it.

    Raises:
        UserError: Naming the setting.
    """
    volume = config.get("speech_volume_normalize")
    if volume is not None and config.get("use_preprocessor", True):
        raise UserError(
            f"{where}: speech_volume_normalize: {volume} cannot be exported: ESPnet "
            "scales each recording to that peak before the model, and the exported "
            "model would get the audio as it is; train without it"
        )


def _check_front_end(conf: Mapping[str, Any], where: Path) -> None:
    if conf.get("apply_stft") is False:
        raise UserError(
            f"{where}: frontend_conf.apply_stft: false cannot be exported: the model "
            "takes spectra, not audio; train without it"
        )
    enhancement = conf.get("frontend_conf") or {}
    for key in ("use_wpe", "use_beamformer"):
        if enhancement.get(key):
            raise UserError(
                f"{where}: frontend_conf.frontend_conf.{key}: true cannot be exported: "
                "it needs several channels, and an exported model takes one; train "
                "without it"
            )


def check_model(model: torch.nn.Module, where: Path) -> None:
    """Check that a loaded model can be exported correctly.

    Args:
        model: The ESPnet ASR model.
        where: Path of its ``config.yaml``, for messages.

    Raises:
        UserError: If a part is not supported.
    """
    if model.ctc is None:
        raise UserError(
            f"{where}: the model has no CTC layer to export; train with a ctc_weight "
            "above 0"
        )
    if model.blank_id != 0 or model.token_list[0] != _BLANK:
        raise UserError(
            f"{where}: token 0 is {model.token_list[0]!r} and the blank is token "
            f"{model.blank_id}: device runtimes need {_BLANK} as token 0"
        )
    vocabulary = model.ctc.ctc_lo.out_features
    if vocabulary != len(model.token_list):
        raise UserError(
            f"{where}: the CTC layer has {vocabulary} outputs, the token list "
            f"{len(model.token_list)} tokens"
        )
    try:
        encoder_stride(model.encoder)
    except KeyError:
        raise UserError(
            f"{where}: encoder_conf.input_layer makes a "
            f"{type(model.encoder.embed).__name__}, which cannot be exported; "
            f"supported are {', '.join(_INPUT_LAYERS)}"
        ) from None
    for name, module in model.encoder.named_modules():
        if hasattr(module, "extend_pe") and type(module).__name__ not in _POSITIONS:
            raise UserError(
                f"{where}: encoder.{name} is a {type(module).__name__}, which cannot "
                "be exported for all lengths; supported are "
                "encoder_conf.pos_enc_layer_type rel_pos, legacy_rel_pos and abs_pos"
            )
