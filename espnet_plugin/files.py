"""Small files, written completely or not at all."""

import fcntl
import hashlib
import json
import logging
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Iterable, Iterator, Union

from espnet_plugin.errors import UserError
from espnet_plugin.writable import usual_mode

__all__ = [
    "PathLike",
    "check_no_stand_in",
    "file_checksum",
    "flush_folder",
    "locked",
    "not_a_table",
    "read_json",
    "read_record",
    "read_pairs",
    "stand_in",
    "whole_file",
    "write_bytes",
    "write_json",
    "write_lines",
    "write_text",
]

# Type of path arguments.
PathLike = Union[str, Path]


def file_checksum(path: PathLike) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        UserError: If the file is missing.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing: bring it back, or delete what is left of that result "
            "and run the stage that writes it again"
        ) from error


@contextmanager
def locked(folder: PathLike, wait: bool = True) -> Iterator[None]:
    """Lock a folder for this process, a context manager.

    The lock ends with the process that holds it, even if that is killed.

    Args:
        folder: The folder; it is created if it does not exist.
        wait: Whether to wait for a process that holds the lock, or to raise an error.

    Raises:
        UserError: If another process holds the lock and ``wait`` is false, or the
            folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / ".lock", "w")
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}. Choose another folder "
            "(--expdir), or make it writable"
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not wait:
                raise UserError(
                    f"another run is using {folder}: wait until it has finished, or "
                    "choose another --tag, --seed or --expdir"
                ) from error
            logging.info("waiting for another process that is using %s", folder)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a file atomically: a reader sees the old content or the new content.

    Raises:
        UserError: If the disk is full or the folder cannot be written.
    """
    with whole_file(path) as stream:
        stream.write(content)


@contextmanager
def whole_file(path: PathLike) -> Iterator[BinaryIO]:
    """Open a file that replaces ``path`` at the end, or not at all, if anything fails.

    For content that is not to be held in memory as a whole. A symbolic link is kept:
    the file that it leads to is replaced. An existing file keeps its permissions.

    Raises:
        UserError: If the disk is full or the folder cannot be written.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, because a rename is only atomic within a file system.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(temporary, _mode_of(path))
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Free some space or "
            "choose another folder; existing files were not changed."
        ) from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


def _mode_of(path: Path) -> int:
    """Return the permissions of a file, or those that a new one gets."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return usual_mode(0o666)


def flush_folder(folder: PathLike) -> None:
    """Wait until a folder's files are on the disk, not only in the system's memory.

    Call it before a marker such as ``done.json`` is written: after a power cut, the
    marker would otherwise be there without what it stands for. Subfolders are left out.
    Where a file system cannot do it, nothing is waited for.
    """
    with suppress(OSError):
        paths = [one.path for one in os.scandir(folder) if one.is_file()]
        for path in (*paths, os.fspath(folder)):
            with suppress(OSError):
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)


def write_text(path: PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, atomically; errors as in :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_lines(path: PathLike, lines: Iterable[str]) -> None:
    """Write one line per item, atomically; errors as in :func:`write_bytes`."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_json(path: PathLike, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically.

    Raises:
        ValueError: If it contains NaN or infinity.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: PathLike) -> Any:
    """Read a JSON file.

    Raises:
        UserError: If it is missing or is not JSON.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run the stage that writes it") from error
    # Not UTF-8, not JSON, a number with too many digits, nested too deeply.
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not JSON ({error}): delete it and run the stage again"
        ) from error


def read_record(path: PathLike) -> dict[str, Any]:
    """Read what a stage has recorded about finished work, so as not to repeat it.

    Returns:
        The content; empty if the file is missing or damaged, e.g. emptied by a power
        cut: the work is then done again.
    """
    try:
        content = read_json(path)
    except (UserError, OSError):
        return {}
    return content if isinstance(content, dict) else {}


def read_pairs(path: PathLike) -> dict[str, str]:
    """Read a Kaldi table, whose lines are ``key value``.

    Returns:
        The values by their keys, in the order of the file. A key alone on its line has
        an empty value. A byte order mark at the beginning is ignored.

    Raises:
        UserError: If the file is missing, is not UTF-8, or repeats a key.
    """
    path = Path(path)
    table: dict[str, str] = {}
    try:
        check_no_stand_in(path, "table")
        # utf-8-sig: a byte order mark would otherwise be part of the first key.
        with open(path, encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                fields = line.strip().split(maxsplit=1)
                if not fields:
                    continue
                if fields[0] in table:
                    raise UserError(
                        f"{path}:{number}: {fields[0]!r} is listed twice; "
                        "utterance names must differ (the first word of a line is its "
                        "name)"
                    )
                table[fields[0]] = fields[1] if len(fields) > 1 else ""
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing: bring it back, or run the stage that writes it"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}; {_as_utf8(path)}") from (
            error
        )
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    return table


def stand_in(head: bytes, what: str = "file") -> str:
    """Say what is in the place of a file that was not downloaded.

    Args:
        head: The first bytes of the file.
        what: Kind of the file, for the message.

    Returns:
        What it is and the way out; empty if it is neither a pointer nor a web page.
    """
    if head.startswith(b"version https://git-lfs"):
        return f"it is a Git LFS pointer, not the {what}: run 'git lfs pull'"
    if head[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return f"it is a web page, not the {what}: download the {what} again"
    return ""


def check_no_stand_in(path: PathLike, what: str) -> None:
    """Check that a file was downloaded, and is no pointer or web page in its place.

    Args:
        path: The file; nothing is checked if it cannot be read.
        what: Kind of the file, for the message.

    Raises:
        UserError: If it is a Git LFS pointer or a web page.
    """
    try:
        with open(path, "rb") as stream:
            said = stand_in(stream.read(64), what)
    except OSError:
        return  # who reads it says so
    if said:
        raise UserError(f"{path}: {said}")


def not_a_table(head: bytes) -> str:
    """Say what a file is that should be a table, from its first bytes.

    Returns:
        What it is and the way out, for what is neither a table nor a list; empty
        otherwise.
    """
    said = stand_in(head, "table")
    if said:
        return said
    packed = next((k for k in _PACKED if head.startswith(k)), None)
    return _PACKED[packed] if packed is not None else ""


_PACKED = {
    b"\x1f\x8b": "it is compressed by gzip: decompress it",
    b"PK\x03\x04": "it is a zip file: unpack it",
}
# How files begin that are not UTF-8 text.
_BEGINNINGS = {
    **_PACKED,
    b"\xff\xfe": "it is UTF-16: convert it with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "it is UTF-16: convert it with iconv -f UTF-16 -t UTF-8",
}


def _as_utf8(path: Path) -> str:
    """Return how to make UTF-8 text out of a file."""
    with open(path, "rb") as stream:
        start = stream.read(4)
    for beginning, words in _BEGINNINGS.items():
        if start.startswith(beginning):
            return words
    return "convert it, e.g. with iconv -f LATIN1 -t UTF-8"
