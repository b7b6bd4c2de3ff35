"""``config.yaml`` of an ESPnet ASR experiment."""

from pathlib import Path
from typing import Any, Mapping

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike, check_no_stand_in
from espnet_plugin.yaml_files import parse_yaml

__all__ = ["check_config", "current_ctc", "read_config"]

# Keys with the options of one part of the model.
_CONFS = (
    "encoder_conf", "ctc_conf", "model_conf", "frontend_conf", "specaug_conf",
    "normalize_conf", "preencoder_conf", "postencoder_conf", "decoder_conf",
)  # fmt: skip


# Keys that only configurations of other tasks of ESPnet have.
_OTHER_TASKS = {
    "joint_network_conf": "asr_transducer",
    "tts": "tts",
    "vocoder": "gan_tts",
    "separator": "enh",
    "lm": "lm",
    "src_token_list": "mt or st",
    "label_aggregator": "diar",
    "codec": "codec",
    "svs": "svs",
    "loss_conf": "hubert or ssl",
}
# Kinds of CTC loss that earlier versions of ESPnet had. Their weights are the same.
_EARLIER_CTC = ("warpctc", "cudnnctc")


def current_ctc(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``ctc_conf`` with a kind of loss that the current ESPnet has."""
    if conf.get("ctc_type") in _EARLIER_CTC:
        return {**conf, "ctc_type": "builtin"}
    return dict(conf)


def read_config(config_file: PathLike) -> dict[str, Any]:
    """Read an experiment's ``config.yaml`` (plain YAML, no Python objects).

    Raises:
        UserError: If it is missing, not YAML, or not an ESPnet ASR configuration.
    """
    config_file = Path(config_file)
    check_no_stand_in(config_file, "configuration")
    try:
        config = parse_yaml(config_file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"configuration {config_file} is missing: give an ESPnet experiment folder "
            "whose training has started"
        ) from error
    except NotADirectoryError as error:
        raise UserError(
            f"{config_file.parent} is a file: give the folder of an experiment, e.g. "
            f"{config_file.parent.parent}"
        ) from error
    except (ValueError, OSError) as error:
        raise UserError(
            f"configuration {config_file} cannot be read as plain YAML ({error})"
        ) from error
    check_config(config, config_file)
    return config


def check_config(config: Any, config_file: PathLike) -> None:
    """Check that a configuration is complete and that of an ASR model.

    Raises:
        UserError: If keys are missing or have values of a wrong type.
    """
    if not isinstance(config, dict):
        raise UserError(
            f"configuration {config_file} holds no keys: check that it is the right "
            "file"
        )
    needed = ("token_list", "encoder", "encoder_conf", "ctc_conf", "model_conf")
    missing = [key for key in needed if key not in config]
    other = next((t for key, t in _OTHER_TASKS.items() if key in config), "")
    if missing and other:
        raise UserError(
            f"configuration {config_file} is one of ESPnet's task {other}: give the "
            "experiment of a CTC or hybrid CTC/attention recogniser (task asr, in "
            "ESPnet's recipes asr1)"
        )
    if missing:
        raise UserError(
            f"configuration {config_file} lacks {', '.join(missing)}: give the "
            "config.yaml that ESPnet's ASR training wrote into its experiment "
            "folder, not the file that was given to --config"
        )
    for key in _CONFS:
        value = config.get(key)
        if not (isinstance(value, dict) or (value is None and key not in needed)):
            raise UserError(
                f"configuration {config_file}: {key} must be a mapping of keys to "
                "values"
            )
    files = {
        "bpemodel": config.get("bpemodel"),
        "non_linguistic_symbols": config.get("non_linguistic_symbols"),
        "normalize_conf.stats_file": (config.get("normalize_conf") or {}).get(
            "stats_file"
        ),
    }
    texts = {name: config.get(name) for name in ("token_type", "cleaner", "g2p")}
    for key, value in {**files, **texts}.items():
        if not (value is None or isinstance(value, str)):
            raise UserError(
                f"configuration {config_file}: {key}: {value!r} must be a string"
            )
