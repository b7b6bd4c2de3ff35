"""What a model's configuration says about the data that it takes."""

from pathlib import Path
from typing import Any, Mapping, Optional

import humanfriendly

from espnet_plugin.errors import UserError
from espnet_plugin.names import HEARING_ENCODERS

__all__ = [
    "check_front_end",
    "hears_by_encoder",
    "is_pretrained",
    "sampling_rate",
    "takes_features",
]

# Front ends that work at any rate: their ``fs`` is not used.
_ANY_RATE = ("sliding_window",)
_ENCODER_RATE = 16000  # sampling rate of all HEARING_ENCODERS
# Front ends that are whole pre-trained networks.
_PRETRAINED = ("s3prl", "espnet_ssl", "whisper", "huggingface", "fused")


def takes_features(config: Mapping[str, Any]) -> bool:
    """Return whether a trained model has no front end and takes features, not audio."""
    return _no_front_end(config) and not hears_by_encoder(config)


def hears_by_encoder(config: Mapping[str, Any]) -> bool:
    """Return whether a model's encoder takes audio, without any front end."""
    return _no_front_end(config) and config.get("encoder") in HEARING_ENCODERS


def is_pretrained(config: Mapping[str, Any]) -> bool:
    """Return whether a large pre-trained network computes the features.

    A small model cannot share it: it needs a front end of its own.
    """
    return hears_by_encoder(config) or config.get("frontend") in _PRETRAINED


def _no_front_end(config: Mapping[str, Any]) -> bool:
    return config.get("frontend", "default") is None


def sampling_rate(config: Mapping[str, Any], where: object) -> Optional[int]:
    """Return the sampling rate of the front end in Hz; None if it has no fixed one.

    Args:
        config: A configuration of ESPnet's ASR task.
        where: Its file, for the error.

    Raises:
        UserError: If ``frontend_conf.fs`` is not a valid rate.
    """
    if hears_by_encoder(config):
        return _ENCODER_RATE
    frontend = config.get("frontend", "default")
    if frontend is None or frontend in _ANY_RATE:
        return None
    # ESPnet's front ends have this default, and read 16k as 16000.
    fs = (config.get("frontend_conf") or {}).get("fs", 16000)
    try:
        return humanfriendly.parse_size(fs) if isinstance(fs, str) else int(fs)
    except (humanfriendly.InvalidSize, TypeError, ValueError) as error:
        raise UserError(
            f"{where}: frontend_conf.fs: {fs!r} is not a sampling rate such as 16k"
        ) from error


def _check_values(config: Mapping[str, Any], where: object) -> None:
    """Refuse sections that are not mappings, and lengths that are not integers."""
    for name in ("frontend_conf", "encoder_conf"):
        conf = config.get(name)
        if conf is not None and not isinstance(conf, Mapping):
            raise UserError(
                f"{where}: {name}: {str(conf)[:60]!r} must be names with values, e.g. "
                f"'{name}: {{name: value}}'"
            )
    for name in ("hop_length", "n_mels"):
        value = (config.get("frontend_conf") or {}).get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(
                f"{where}: frontend_conf.{name}: {value!r} must be a whole number from "
                "1, without quotes"
            )


def check_front_end(
    config: Mapping[str, Any], where: Path, feats_type: str, fs: int, imported: bool
) -> None:
    """Refuse data that do not fit what a model takes.

    Args:
        config: The model's configuration.
        where: Its file.
        feats_type: Type of the data: ``raw`` or ``fbank``.
        fs: Sampling rate of the data in Hz.
        imported: Whether the model is trained already; if not, it will be trained on
            these data.

    Raises:
        UserError: If they do not fit; it names the option and the configuration.
    """
    _check_values(config, where)
    if imported and takes_features(config) != (feats_type == "fbank"):
        takes = "features" if takes_features(config) else "audio"
        other = "raw" if feats_type == "fbank" else "fbank"
        raise UserError(
            f"--feats_type {feats_type}: the reference needs {takes} ({where}: "
            f"frontend {config.get('frontend', 'default')}): give --feats_type {other}"
        )
    if feats_type != "raw":
        return  # the front end is left out
    rate = sampling_rate(config, where)
    if rate in (None, fs):
        return
    way_out = f"resample the audio to {rate} Hz and give --fs {rate}"
    if not imported and not is_pretrained(config):
        way_out += (
            f", or give a --reference_config with frontend_conf.fs {fs} (and n_fft, "
            "win_length and hop_length for that rate)"
        )
    raise UserError(
        f"--fs {fs}: the front end of {where} is for {rate} Hz (frontend_conf.fs): "
        f"{way_out}"
    )
