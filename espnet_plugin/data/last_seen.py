"""The time at which stage 2 last compared a set with its tables.

This module is separate from the one that writes sets, because options are checked
before torch is imported.
"""

from contextlib import suppress
from pathlib import Path
from typing import Optional

__all__ = ["last_seen", "note_seen"]

_NOTE = ".seen"
# Record of stage 2; earlier versions wrote only this one.
_RECORD = "done.json"


def note_seen(folder: Path) -> None:
    """Note that a set's tables were compared just now; a folder may be read-only."""
    with suppress(OSError):
        (folder / _NOTE).touch()


def last_seen(folder: Path) -> Optional[float]:
    """Return the time of the last comparison in seconds since the epoch.

    It is None if stage 2 has not finished there.
    """
    record, note = folder / _RECORD, folder / _NOTE
    if not record.is_file():
        return None
    return max(one.stat().st_mtime for one in (record, note) if one.is_file())
