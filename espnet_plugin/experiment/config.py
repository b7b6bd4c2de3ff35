"""``config.yaml`` of an ESPnet ASR experiment."""

from pathlib import Path
from typing import Any

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike
from espnet_plugin.yaml_files import parse_yaml

__all__ = ["check_config", "read_config"]

# Keys with the options of one part of the model.
_CONFS = (
    "encoder_conf", "ctc_conf", "model_conf", "frontend_conf", "specaug_conf",
    "normalize_conf", "preencoder_conf", "postencoder_conf", "decoder_conf",
)  # fmt: skip


def read_config(config_file: PathLike) -> dict[str, Any]:
    """Read an experiment's ``config.yaml`` (plain YAML, no Python objects).

    Raises:
        UserError: If it is missing, not YAML, or not an ESPnet ASR configuration.
    """
    config_file = Path(config_file)
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
