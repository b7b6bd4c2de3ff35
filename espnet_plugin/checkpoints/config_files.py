"""The files that a model's configuration names, found and checked."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np

from espnet_plugin.checkpoints.bounds import check_archive
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.named_files import find_file
from espnet_plugin.files import check_no_stand_in

__all__ = [
    "check_stats",
    "file_settings",
    "get_setting",
    "resolve_paths",
    "set_setting",
]

PathLike = Union[str, Path]


def file_settings(config: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """List the settings that name files, as ``(dotted key, needed)``."""
    settings = []
    if isinstance(config.get("token_list"), str):
        settings.append(("token_list", True))
    if config.get("token_type") == "bpe" and config.get("bpemodel"):
        settings.append(("bpemodel", True))
    normalize_conf = config.get("normalize_conf") or {}
    if config.get("normalize") and normalize_conf.get("stats_file"):
        settings.append(("normalize_conf.stats_file", True))
    symbols = config.get("non_linguistic_symbols")
    if isinstance(symbols, str) and symbols != "none":
        settings.append(("non_linguistic_symbols", False))
    return settings


def get_setting(config: Mapping[str, Any], dotted: str) -> Any:
    """Return ``config["a"]["b"]`` for ``"a.b"``."""
    for key in dotted.split("."):
        config = config[key]
    return config


def set_setting(config: dict[str, Any], dotted: str, value: Any) -> None:
    """Set ``config["a"]["b"]`` for ``"a.b"``."""
    *parents, last = dotted.split(".")
    for key in parents:
        config = config[key]
    config[last] = value


def resolve_paths(
    config: Mapping[str, Any],
    config_file: PathLike,
    roots: Optional[Sequence[Path]] = None,
) -> dict[str, Any]:
    """Return a copy of ``config`` with existing paths of all files.

    Raises:
        UserError: If a needed file is missing; with all paths that were tried.
    """
    config = copy.deepcopy(dict(config))
    for dotted, needed in file_settings(config):
        value = get_setting(config, dotted)
        found, tried = find_file(value, config_file, roots)
        if found is not None:
            if str(found) != value:
                logging.info("%s: %s is %s", dotted, value, found)
            set_setting(config, dotted, str(found))
        elif needed:
            raise UserError(
                f"{config_file}: {dotted}: {value} does not exist; searched for "
                f"{', '.join(str(item) for item in tried)}. Start in the folder in "
                "which the model was trained, or copy the file into the folder of "
                "the configuration"
            )
        else:
            logging.warning("%s: %s is missing and is not used", dotted, value)
            set_setting(config, dotted, None)
    return config


def check_stats(path: PathLike) -> None:
    """Check that normalisation statistics can be read without running code.

    Raises:
        UserError: If they cannot.
    """
    check_no_stand_in(path, "statistics")
    try:
        check_archive(Path(path), "statistics")
        with open(path, "rb") as stream:
            stats = np.load(stream, allow_pickle=False)
            if not isinstance(stats, np.ndarray):
                missing = {"count", "sum", "sum_square"} - set(stats.files)
                if missing:
                    raise UserError(
                        f"statistics {path} lack {', '.join(sorted(missing))}: give "
                        "the feats_stats.npz of ESPnet's statistics stage"
                    )
                for name in ("count", "sum", "sum_square"):
                    stats[name]
    except UserError:
        raise
    except Exception as error:  # zip, header and pickle errors are of many types
        raise UserError(
            f"statistics {path} cannot be read ({str(error).splitlines()[0]}); copy "
            "the feats_stats.npz of ESPnet's statistics stage again"
        ) from error
