"""Read, write and merge configurations in YAML."""

from pathlib import Path
from typing import Any, Mapping

import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike, write_text
from espnet_plugin.moved_files import moved_to

__all__ = ["deep_merge", "parse_yaml", "read_yaml", "write_yaml"]

# Largest number of values in a configuration, with aliases expanded.
_MOST_VALUES = 10**6


def parse_yaml(text: str) -> Any:
    """Parse YAML of unknown origin safely.

    Python objects and expansions of aliases to very many values are refused.

    Raises:
        ValueError: If the text is not YAML or is refused; its message is one line.
    """
    try:
        content = yaml.load(text, _Loader)
        count = _count(content, {})
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except Exception as error:  # tags with unsuitable values raise many types
        what = getattr(error, "problem", None) or str(error).strip()
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        first = (what or type(error).__name__).splitlines()[0]
        raise ValueError(f"{first}{where}") from error
    if count > _MOST_VALUES:
        raise ValueError(f"its aliases expand to {count} values")
    return content


class _Loader(yaml.SafeLoader):
    """Refuses repeated keys, of which only the last value would have an effect."""

    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                    continue
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None,
                        None,
                        f"the key {key.value} is written twice",
                        key.start_mark,
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _count(content: Any, known: dict[int, int]) -> int:
    """Return the number of values, with aliases expanded."""
    if not isinstance(content, (dict, list)):
        return 1
    if id(content) not in known:
        known[id(content)] = _MOST_VALUES + 1  # the result if it contains itself
        inner = content if isinstance(content, list) else content.values()
        known[id(content)] = 1 + sum(_count(one, known) for one in inner)
    return known[id(content)]


def read_yaml(path: PathLike, option: str = "--config") -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: The file.
        option: Option that names the file, for messages.

    Raises:
        UserError: If the file is missing, a folder, not YAML or not a mapping.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{option} {path} is a folder: name a file")
    if not path.is_file():
        raise UserError(f"{option} {path} is missing{moved_to(path)}")
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{option} {path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{option} {path} holds no keys")
    return content


def write_yaml(path: PathLike, content: Mapping[str, Any]) -> None:
    """Write a configuration atomically, with its keys in the given order.

    Raises:
        UserError: If the disk is full or the folder cannot be written.
    """
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    write_text(path, text)


def deep_merge(
    base: Mapping[str, Any], changes: Mapping[str, Any], null_removes: bool = False
) -> dict[str, Any]:
    """Return a configuration with some values replaced, at any depth.

    Args:
        base: The configuration; it is not changed.
        changes: New values. A mapping only replaces the keys that it has.
        null_removes: Whether null removes a key instead of replacing its value.
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
