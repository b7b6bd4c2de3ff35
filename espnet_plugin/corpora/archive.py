"""Download an archive and unpack it, completely or not at all."""

import gzip
import logging
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import Callable, Optional

from espnet_plugin.errors import UserError
from espnet_plugin.scratch import scratch_folder

__all__ = ["DamagedArchive", "fetch", "unpack"]

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_GZIP_MAGIC = b"\x1f\x8b"
_RANGE_NOT_SATISFIABLE = 416


class DamagedArchive(UserError):
    """The archive is damaged; a new download may help."""


def fetch(url: str, path: Path, timeout_s: float = _TIMEOUT_S) -> None:
    """Download a ``.tar.gz``; an interrupted download is resumed.

    Args:
        url: Address of the archive.
        path: File to write; it is called ``<name>.part`` while it is incomplete.
        timeout_s: Longest time without an answer, in seconds.

    Raises:
        UserError: If there is no connection, the server refuses, the sizes differ, or
            the file is not in gzip format. A part that can be completed is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        expected = _download(url, part, timeout_s)
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{url}: {reason}") from error
    size = part.stat().st_size
    if expected is not None and size < expected:
        raise UserError(
            f"{url}: only {size} of {expected} bytes arrived; run the command again"
        )
    with part.open("rb") as stream:
        is_gzip = stream.read(2) == _GZIP_MAGIC
    if not is_gzip or (expected is not None and size > expected):
        # Not the archive: a page such as a log-in form, or a part of a different file.
        part.unlink()
        raise UserError(f"{url}: the downloaded file ({size} bytes) is not the archive")
    part.replace(path)


def _download(url: str, part: Path, timeout_s: float) -> Optional[int]:
    """Complete ``part``; return the size of the whole file in bytes if it is known."""
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "espnet_plugin"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if not done or error.code != _RANGE_NOT_SATISFIABLE:
            raise
        # The part is complete, or of a different file; it cannot be known which.
        part.unlink()
        return _download(url, part, timeout_s)
    with response:
        # A server that does not support ranges sends everything again.
        goes_on = response.status == 206
        start = done if goes_on else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        logging.info(
            "downloading %s%s%s",
            url,
            "" if total is None else f" ({total / 1e6:.0f} MB)",
            f" from byte {start}" if start else "",
        )
        with part.open("ab" if goes_on else "wb") as stream:
            shutil.copyfileobj(response, stream, _CHUNK_BYTES)
    return total


def unpack(
    archive: Path,
    folder: Path,
    inside: str,
    wanted: Callable[[str], bool] = lambda name: True,
) -> None:
    """Unpack a folder of a ``.tar.gz``; ``folder`` is created completely or not at all.

    Members outside the folder, devices and links out of it are refused by Python's
    ``data`` filter (PEP 706).

    Args:
        archive: Path of the archive.
        folder: New path of the archive's folder ``inside``; it must not exist.
        inside: Path of the folder in the archive.
        wanted: Function that selects members by their paths in the archive.

    Raises:
        DamagedArchive: If the archive is truncated, unsafe or lacks the folder.
        UserError: If it is missing, or its content cannot be written.
    """
    try:
        with scratch_folder(folder) as temporary:
            with tarfile.open(archive, "r:gz") as tar:
                # One pass without listing the members first, because archives may have
                # 30 GB.
                members = (member for member in tar if wanted(member.name))
                tar.extractall(temporary, members, filter="data")
            source = temporary / inside
            if not source.is_dir():
                raise DamagedArchive(f"{archive} has no folder {inside}")
            source.replace(folder)
    except tarfile.FilterError as error:
        raise DamagedArchive(f"{archive} cannot be unpacked safely: {error}") from error
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DamagedArchive(f"{archive} is damaged: {error}") from error
    except OSError as error:
        raise UserError(f"{archive} cannot be unpacked: {error}") from error
