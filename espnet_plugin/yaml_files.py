"""Configurations: YAML files read and written in one way, and merged."""

from pathlib import Path
from typing import Any, Mapping

import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike, write_text

__all__ = ["deep_merge", "read_yaml", "write_yaml"]


def read_yaml(path: PathLike, option: str = "--config") -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: The file.
        option: What names it, for messages.

    Raises:
        UserError: If it is missing, is not YAML, or holds no keys.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{option} {path} is missing")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{option} {path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{option} {path} holds no keys")
    return content


def write_yaml(path: PathLike, content: Mapping[str, Any]) -> None:
    """Write a configuration, whole or not at all, with its keys in their order.

    Raises:
        UserError: If the disk is full or the folder cannot be written.
    """
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    write_text(path, text)


def deep_merge(
    base: Mapping[str, Any], changes: Mapping[str, Any], null_removes: bool = False
) -> dict[str, Any]:
    """Return a configuration with some values replaced, however deep they are.

    Args:
        base: The configuration; it stays as it is.
        changes: New values; a mapping replaces only the keys that it has itself.
        null_removes: Whether null removes a key, instead of replacing its value.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = deep_merge(old, value, null_removes)
        elif value is None and null_removes:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged
