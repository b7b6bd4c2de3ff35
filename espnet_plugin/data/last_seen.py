"""When stage 2 last found that a set is as its tables say.

Kept apart from what writes sets: options are checked before torch is imported.
"""

from contextlib import suppress
from pathlib import Path
from typing import Optional

__all__ = ["last_seen", "note_seen"]

_NOTE = ".seen"
# Stage 2's own record, the only one that earlier versions wrote.
_RECORD = "done.json"


def note_seen(folder: Path) -> None:
    """Note that a set's tables were compared just now; a folder may be read-only."""
    with suppress(OSError):
        (folder / _NOTE).touch()


def last_seen(folder: Path) -> Optional[float]:
    """Return when a set's tables were last compared, as a file's time in seconds.

    None if stage 2 has not finished there.
    """
    record, note = folder / _RECORD, folder / _NOTE
    if not record.is_file():
        return None
    return max(one.stat().st_mtime for one in (record, note) if one.is_file())
