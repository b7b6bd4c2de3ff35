"""``config.yaml`` of an ESPnet ASR experiment."""

from pathlib import Path
from typing import Any

import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike

__all__ = ["check_config", "read_config"]


def read_config(config_file: PathLike) -> dict[str, Any]:
    """Read an experiment's ``config.yaml`` (plain YAML, no Python objects).

    Raises:
        UserError: If it is missing, is not YAML, or is no ESPnet ASR configuration.
    """
    config_file = Path(config_file)
    try:
        config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"configuration {config_file} is missing: give an ESPnet experiment folder "
            "whose training has started"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise UserError(
            f"configuration {config_file} is not readable as plain YAML ({first_line})"
        ) from error
    check_config(config, config_file)
    return config


def check_config(config: Any, config_file: PathLike) -> None:
    """Refuse what is not an ASR model's complete configuration.

    Raises:
        UserError: Naming the keys that it lacks.
    """
    if not isinstance(config, dict):
        raise UserError(
            f"configuration {config_file} holds no keys: is it another file?"
        )
    needed = ("token_list", "encoder", "encoder_conf", "ctc_conf", "model_conf")
    missing = [key for key in needed if key not in config]
    if missing:
        raise UserError(
            f"configuration {config_file} lacks {', '.join(missing)}: it must be the "
            "config.yaml that ESPnet's ASR training wrote into its experiment folder, "
            "not the file given by --config"
        )
    for key in ("encoder_conf", "ctc_conf", "model_conf"):
        if not isinstance(config[key], dict):
            raise UserError(f"configuration {config_file}: {key} must hold keys")
