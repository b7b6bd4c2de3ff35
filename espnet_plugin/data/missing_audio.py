"""Say why an audio file of a table may be missing, from how its entry is written."""

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Optional

__all__ = ["why_missing"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\|[^/]*\\")
# Commands that tables of Kaldi call.
_COMMANDS = frozenset(
    "cat ffmpeg flac gunzip lame mpg123 oggdec opusdec sndfile-convert sox sph2pipe "
    "wv wget zcat".split()
)
# Folders with more files than this are not searched for similar names.
_MOST_FILES = 100_000
# How many folders above the table are tried as the start of a relative path.
_ABOVE = 4


def why_missing(path: str, table_folder: Optional[Path] = None) -> str:
    """Return a hint on why a file does not exist, to be put after its name, or "".

    Args:
        path: The entry of ``wav.scp``.
        table_folder: Folder of the table, in which relative paths may start.
    """
    said = _how_written(path) or _where(path, table_folder) or _similar(path)
    return f": {said}" if said else ""


def _how_written(path: str) -> Optional[str]:
    words = path.split()
    if os.path.islink(path):
        return f"it is a link to {os.readlink(path)}, which does not exist"
    if _URL.match(path):
        return "it is an address: download the file, and write its path"
    if path[:1] == "~" or path[:1] == "$":
        return f"{path[:1]} is not replaced here: write the whole path"
    if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'":
        return "the quotation marks count as a part of the name: leave them out"
    if len(words) > 1 and words[0].rpartition("/")[2] in _COMMANDS:
        return (
            "it looks like a command, which needs a | at its end in Kaldi; stage 2 "
            "does not run commands: run it once, and write the file that it makes"
        )
    if len(words) > 1 and os.path.isfile(words[0]):
        return f"{words[0]} exists, so leave out what follows it"
    if _WINDOWS.match(path):
        return "it is a path of Windows: write it with / as it is on this machine"
    return None


def _where(path: str, table_folder: Optional[Path]) -> Optional[str]:
    if table_folder is None or os.path.isabs(path):
        return None
    start = Path(os.path.abspath(table_folder))
    for folder in (start, *list(start.parents)[:_ABOVE]):
        if os.path.isfile(folder / path):
            return (
                f"it exists in {folder}, but relative paths start in the folder in "
                f"which the command runs ({os.getcwd()}): write whole paths, or run "
                "the command there"
            )
    return None


def _similar(path: str) -> Optional[str]:
    folder, name = os.path.split(path)
    plain, stems = _names(folder or ".")
    other = plain.get(_plain(name))
    if other is not None:
        how = "case" if _form(other) != _form(name) else "Unicode form"
        return f"there is {other!r}, which differs in {how}"
    other = stems.get(os.path.splitext(name)[0])
    return f"there is {other!r} in the same folder" if other else None


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    return _form(name).casefold()


@lru_cache(maxsize=16)
def _names(folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files of a folder, by plain name and by name without extension."""
    plain: dict[str, str] = {}
    stems: dict[str, str] = {}
    try:
        with os.scandir(folder) as found:
            for number, one in enumerate(found):
                if number == _MOST_FILES:
                    return {}, {}
                plain.setdefault(_plain(one.name), one.name)
                stems.setdefault(os.path.splitext(one.name)[0], one.name)
    except (OSError, ValueError):
        return {}, {}
    return plain, stems
