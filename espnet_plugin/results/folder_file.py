"""Read the JSON files of an experiment folder; note missing and invalid values."""

import math
from pathlib import Path
from typing import Any

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.records import is_finite
from espnet_plugin.files import read_json

__all__ = ["read_or_note"]

# Keys of cost.json, rtf.json and score.json whose values are used in calculations.
_NUMBERS = frozenset("""
    train_seconds valid_seconds cpu_seconds audio_seconds redone_seconds flops
    teacher_flops epochs encoder_rtf threads cores params_nonzero file_bytes
    macs_per_audio_second peak_memory_mb chunk_rtf chunk_ms chunk_audio_ms
    utterances words chars wer cer
    """.split())
_INTERVALS = frozenset(("wer_ci95", "cer_ci95"))


def read_or_note(path: Path, folder: Path, missing: list[str]) -> dict[str, Any]:
    """Read a file; note it if it is missing, and each value that is not finite.

    Args:
        path: A JSON file that holds an object.
        folder: The experiment, for the notes.
        missing: Receives the notes.

    Raises:
        UserError: If the file does not hold a JSON object.
    """
    name = path.relative_to(folder).as_posix()
    if not path.exists():
        missing.append(name)
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys: delete it and run the stage again")
    infinite = [key for key, value in content.items() if not _is_usable(key, value)]
    if infinite:
        missing.append(f"{name}: a finite number for {', '.join(infinite)}")
    return {**content, **dict.fromkeys(infinite)}


def _is_usable(key: str, value: Any) -> bool:
    """Return whether a value is null or of its key's type; NaN is never usable."""
    if value is None:
        return True
    if key in _NUMBERS:
        return _is_number(value)
    if key in _INTERVALS:
        return isinstance(value, list) and [*map(_is_number, value)] == [True, True]
    if key == "per_utterance":
        return isinstance(value, list) and all(map(_is_counted, value))
    return is_finite(value)


def _is_number(value: Any) -> bool:
    if type(value) is int:  # as almost all are, millions in a report of many models
        return True
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_counted(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("utt"), str)
        and _is_number(one.get("errors"))
        and _is_number(one.get("words"))
    )
