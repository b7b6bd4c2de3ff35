"""Temporary folders next to a result; those of killed processes are removed later."""

import ctypes
import fcntl
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

__all__ = ["exchange_folders", "scratch_folder"]

# A younger folder (in seconds) may be one that its process has not locked yet.
_YOUNG = 60
# AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2().
_HERE, _EXCHANGE = -100, 2


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """Create an empty folder next to ``place`` and remove it at the end.

    It is on the same file system, so the folder or its content can be renamed to
    ``place`` in one step. If the process is killed, its folder remains, and the next
    process with the same ``place`` removes it. A lock shows whether the process of a
    folder is still running.

    Args:
        place: Path of the result. Its parent folder is created if necessary.

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


def exchange_folders(one: Path, other: Path) -> bool:
    """Exchange two folders of a file system in one step.

    Returns:
        Whether it was done. Only Linux can, and not on every file system.
    """
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    paths = [os.fsencode(os.path.abspath(path)) for path in (one, other)]
    return rename(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0


def _lock(handle: int) -> bool:
    """Lock an open folder; return whether it succeeded (not all file systems can)."""
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
            continue  # another process has removed it, or it is not a folder
        try:
            if _lock(handle):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(handle)
