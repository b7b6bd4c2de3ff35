"""Check that an audio file is complete, by its header and its actual length.

If a file was truncated while it was copied, libsndfile reads what is left and reports
that as the length. It mentions the truncation only in its log.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO, Iterator, Optional, Union

import numpy as np
import soundfile

from espnet_plugin.data.sphere import sphere_problem
from espnet_plugin.data.surplus import surplus
from espnet_plugin.errors import UserError

__all__ = ["LENGTH_TOLERANCE", "SequentialFile", "cut_off", "decoded_short"]

# The number of samples in an MP3 file is an estimate.
LENGTH_TOLERANCE = 0.02
# Programs that write into a pipe put this value into the length field.
_UNKNOWN_LENGTH = 0x7FFF0000
# The length that libsndfile reports for a FLAC file whose header has none.
_ENDLESS = (1 << 63) - 1
# "data : 96000 (should be 57582)" and its like, of the chunk with the samples. The
# length of the whole (RIFF, FORM) is often wrong in files that lack nothing; Wave64 has
# no other line.
_SHORTER = re.compile(
    r"(?:^|\n)\s*(?:data|SSND|BODY|riff|Data Size|Data length)\s*:?\s*"
    r"(\d+)\s*\(?should be (\d+)"
)
_RF64 = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
# Not the line about a data chunk that "seems to be truncated": libsndfile (1.2.2) says
# so of every whole WAV file of an odd number of GSM 6.10 blocks, whose padding byte it
# takes for data. Where something is missing, _SHORTER finds the lengths as well.
_TRUNCATED = re.compile(r"(?<!data chunk seems to be )truncated", re.IGNORECASE)
_FILE_LINE = re.compile(r"\AFile\s*:[^\n]*")
# Their headers hold a length with which libsndfile compares nothing.
_NOT_COMPARED = ("AVR", "MAT5", "MPC2K")
_OGG_PAGE = b"OggS"
_OGG_LAST = 0x04
# A page is at most 65307 bytes long.
_OGG_TAIL = 2 * 65307


class SequentialFile(soundfile.SoundFile):
    """An audio file that is read without seeking.

    After every read, soundfile seeks to the current position. In MP3 a frame may need
    the bits of earlier frames, which the seek discards: about 4000 samples after each
    block would be wrong. soundfile also does not read formats that cannot seek (GSM
    6.10, G.72x ADPCM) to the end.
    """

    def __init__(self, source: Union[str, Path, BinaryIO]):
        super().__init__(_for_libsndfile(source))

    def seekable(self) -> bool:
        return False

    def pieces(self, size: int) -> Iterator[np.ndarray]:
        """Yield ``(samples, channels)`` float32, ``size`` samples at a time.

        Raises:
            UserError: If decoding fails.
        """
        while True:
            try:
                piece = self.read(size, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise UserError(
                    f"{_shown(self.name)} is damaged or truncated ({error}): copy or "
                    "record it again"
                ) from error
            if not len(piece):
                return
            yield piece


def _for_libsndfile(source: Union[str, Path, BinaryIO]):
    """Return bytes for a name that is not UTF-8, which soundfile does not encode."""
    if isinstance(source, (str, Path)):
        try:
            str(source).encode()
        except UnicodeEncodeError:
            return os.fsencode(source)
    return source


def _shown(name) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)


def cut_off(path: str, sound: soundfile.SoundFile) -> Optional[str]:
    """Describe what is missing in a file, as far as can be seen without decoding it.

    Args:
        path: The file.
        sound: The same file, opened.

    Returns:
        The reason, to be put after the file's name; None for a complete file.
    """
    # Its first line is the name of the file, which may contain any word.
    log = _FILE_LINE.sub("", sound.extra_info, count=1)
    for announced, there in _lengths(log):
        if there < announced < _UNKNOWN_LENGTH:
            return (
                f"is truncated: its header announces {announced} bytes of audio, but "
                f"only {there} are there; copy or record it again"
            )
    match = _RF64.search(log)
    if match and int(match[1]) < int(match[2]) < 1 << 62:
        return (
            f"is truncated: its header announces {match[2]} samples, but only "
            f"{match[1]} are there; copy or record it again"
        )
    if sound.frames >= _ENDLESS:
        return (
            "does not say in its header how long it is, because it was written into a "
            "pipe; ESPnet cannot read it: write it again to a file"
        )
    if _TRUNCATED.search(log):
        return "is truncated: copy or record it again"
    problem = surplus(Path(path))
    if problem is not None:
        return problem
    if sound.format == "NIST":
        problem = sphere_problem(Path(path))
        return None if problem is None else f"is truncated: {problem}"
    if sound.format == "OGG" and not _ogg_ends(Path(path)):
        return (
            "is truncated: its last page is incomplete or not marked as the last "
            "one; copy or record it again"
        )
    if sound.format in _NOT_COMPARED:
        return (
            f"is {sound.format_info}, a format that does not show whether the file is "
            "complete: convert it to WAV or FLAC"
        )
    return None


def decoded_short(frames: int, announced: int) -> Optional[str]:
    """Return a message if a file has fewer samples than its header says, else None."""
    if frames >= announced * (1 - LENGTH_TOLERANCE):
        return None
    return (
        f"is truncated: {frames} of {announced} samples are there; copy or record it "
        "again"
    )


def _lengths(log: str):
    for match in _SHORTER.finditer(log):
        yield int(match[1]), int(match[2])


def _ogg_ends(path: Path) -> bool:
    """Return whether the last page is complete and marked as the end of its stream."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _OGG_TAIL))
        tail = stream.read()
    start = tail.rfind(_OGG_PAGE)
    if start < 0 or len(tail) < start + 27:
        return False
    segments = tail[start + 26]
    table = tail[start + 27 : start + 27 + segments]
    whole = len(table) == segments and len(tail) >= start + 27 + segments + sum(table)
    return whole and bool(tail[start + 5] & _OGG_LAST)
