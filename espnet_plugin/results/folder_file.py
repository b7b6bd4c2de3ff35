"""The JSON files of an experiment folder: what is missing or no number is noted."""

import math
from pathlib import Path
from typing import Any

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json

__all__ = ["read_or_note"]


def read_or_note(path: Path, folder: Path, missing: list[str]) -> dict[str, Any]:
    """Read a file; what is not there is noted, and what is no finite number, too.

    Args:
        path: A JSON file that holds keys.
        folder: The experiment, for the notes.
        missing: Gets the notes.

    Raises:
        UserError: If the file holds no keys.
    """
    name = path.relative_to(folder).as_posix()
    if not path.exists():
        missing.append(name)
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys: delete it and run the stage again")
    infinite = [key for key, value in content.items() if not _is_finite(value)]
    if infinite:
        missing.append(f"{name}: a finite number under {', '.join(infinite)}")
    return {**content, **dict.fromkeys(infinite)}


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
