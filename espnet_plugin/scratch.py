"""Temporary folders beside a result; what a killed process left is removed later."""

import fcntl
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

__all__ = ["scratch_folder"]

# Between making a folder and locking it a process needs less than this, in seconds.
_YOUNG = 60


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """Give an empty folder beside ``place``, and remove it at the end.

    It is on the same file system, so what is in it (or the folder itself) can be
    renamed to ``place`` in one step. A process that is killed leaves its folder: the
    next one with the same ``place`` removes it. A lock tells whether a folder's process
    is still there.

    Args:
        place: What is made; its parent folder is made if it is not there.

    Raises:
        OSError: If the parent folder cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{place.name}.unfinished."
    _sweep(place.parent, prefix)
    made = tempfile.mkdtemp(dir=place.parent, prefix=prefix)
    handle = os.open(made, os.O_RDONLY)
    try:
        _lock(handle)
        yield Path(made)
    finally:
        os.close(handle)
        shutil.rmtree(made, ignore_errors=True)


def _lock(handle: int) -> bool:
    """Lock an open folder; return whether it is ours. Not all file systems can."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(folder: Path, prefix: str) -> None:
    """Remove folders whose process has ended."""
    random = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")
    for path in folder.iterdir():
        if not random.fullmatch(path.name):
            continue
        try:
            if time.time() - path.stat().st_mtime < _YOUNG:
                continue
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # another process has removed it, or it is no folder
        try:
            if _lock(handle):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(handle)
