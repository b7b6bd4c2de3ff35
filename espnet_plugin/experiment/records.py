"""Dataclasses read from JSON files: types are checked, other keys are kept."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any, Type, TypeVar, Union, get_args, get_origin, get_type_hints

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json

__all__ = ["OTHERS", "is_finite", "read_keys", "record_from_json"]

Record = TypeVar("Record")

# Field of a record for unknown keys.
OTHERS = "others"
_NOT_IN_FILE = (OTHERS, "not_finite")
_WORDS = {int: "a whole number", float: "a number", str: "text", dict: "keys"}


def read_keys(path: Path) -> dict[str, Any]:
    """Read a JSON file that is an object (keys and values).

    Raises:
        UserError: If it is missing, not JSON, or not an object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys: delete it and run the stage again")
    return content


def record_from_json(
    kind: Type[Record], content: dict[str, Any], path: Path, **extra: Any
) -> Record:
    """Make a dataclass from the content of a JSON file.

    Fields that are missing or null in the file have their default values; files of
    earlier versions do not have all fields. Unknown keys are kept in ``others``.

    Args:
        kind: A dataclass with a field ``others``.
        content: Content of the file.
        path: Path of the file, for messages.
        extra: Values of fields that are not in the file.

    Raises:
        UserError: If a value does not have the type of its field.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind) if f.name not in _NOT_IN_FILE]
    values = {
        name: _checked(content[name], hints[name], name, path)
        for name in known
        if content.get(name) is not None
    }
    others = {key: value for key, value in content.items() if key not in known}
    return kind(**values, **{OTHERS: others}, **extra)


def _checked(value: Any, hint: Any, key: str, path: Path) -> Any:
    if get_origin(hint) is Union:  # Optional; null never comes here
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise _wrong(value, "a list", key, path)
        return tuple(_checked(one, get_args(hint)[0], key, path) for one in value)
    kind = get_origin(hint) or hint
    if kind is Any:
        return value
    # Whole numbers are valid measurements; true and false are not.
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise _wrong(value, _WORDS.get(kind, kind.__name__), key, path)
    return value


def _wrong(value: Any, wanted: str, key: str, path: Path) -> UserError:
    return UserError(
        f"{path}: {key} is {value!r}, but must be {wanted}: correct it, or delete the "
        "file and run the stage again"
    )


def is_finite(value: Any) -> bool:
    """Return whether all numbers in a JSON value are finite."""
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
