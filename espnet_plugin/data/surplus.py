"""Find audio files whose header states less audio than the file holds.

A recorder that crashed, or a program that wrote more samples after the header, leaves
such files. libsndfile reads only as much as the header states. The rest of the audio
would be missing without a message, although the transcript covers all of it.
"""

import struct
from pathlib import Path
from typing import Optional

__all__ = ["surplus"]

# Bytes after the audio that may be anything, such as a tag; and their share of the
# audio.
_TAG = 4096
_SHARE = 0.02
_FLAC_INFO = 8
_FLAC_TAIL = 1 << 17


def surplus(path: Path) -> Optional[str]:
    """Return a message if a WAV or FLAC file is longer than its header says, or None.

    Args:
        path: A file that libsndfile has opened.
    """
    with path.open("rb") as stream:
        magic = stream.read(4)
        if magic == b"RIFF":
            return _riff(stream, path.stat().st_size)
        if magic == b"fLaC":
            return _flac(stream, path.stat().st_size)
    return None


def _riff(stream, size: int) -> Optional[str]:
    """Check that the audio is followed by valid chunks only, up to the end."""
    at, audio = 12, None
    while at + 8 <= size:
        stream.seek(at)
        name, length = struct.unpack("<4sI", stream.read(8))
        if audio is not None and not _is_chunk(name, length, size - at - 8):
            break
        if name == b"data":
            audio = length
        at += 8 + length + length % 2
    else:
        return None
    left = size - at
    if left <= max(_TAG, _SHARE * audio):
        return None
    return (
        f"has {left} bytes after the {audio} bytes of audio that its header announces "
        "(the recording may have been interrupted): repair its header, e.g. with "
        "'sox --ignore-length OLD NEW'"
    )


def _is_chunk(name: bytes, length: int, left: int) -> bool:
    printable = all(32 <= byte < 127 for byte in name)
    # Many writers leave out the padding byte at the end.
    return printable and length <= left


def _flac(stream, size: int) -> Optional[str]:
    """Compare the number of samples with the position in the last frame's header."""
    stream.seek(_FLAC_INFO)
    info = stream.read(18)
    block = int.from_bytes(info[2:4], "big")
    announced = int.from_bytes(info[13:18], "big") & ((1 << 36) - 1)
    stream.seek(max(0, size - _FLAC_TAIL))
    tail = stream.read()
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        end = _frame_end(tail[at:], block)
        if end is not None and end > announced and _crc(tail[at:], 16, 0x8005) == 0:
            return (
                f"has {end} samples, but its header announces only {announced}: write "
                "it again from its source"
            )
        if end == announced:
            return None
    return None


def _frame_end(frame: bytes, block: int) -> Optional[int]:
    """Return the sample after a FLAC frame; None if there is no frame header."""
    if len(frame) < 16 or frame[1] & 0xFE != 0xF8:
        return None
    code, number, at = frame[2] >> 4, frame[4], 5
    if not code:  # Reserved: these bytes are audio that looks like a header.
        return None
    # As in UTF-8, the number of leading one bits is the number of bytes.
    more = 0
    while more < 7 and number << more & 0x80:
        more += 1
    if more == 1 or more > 7:
        return None
    number &= 0x7F >> more
    for byte in frame[5 : 4 + more]:
        if byte & 0xC0 != 0x80:
            return None
        number, at = number << 6 | byte & 0x3F, at + 1
    if code in (6, 7):
        length = int.from_bytes(frame[at : at + code - 5], "big") + 1
        at += code - 5
    elif code == 1:
        length = 192
    else:
        length = 576 << (code - 2) if code < 6 else 256 << (code - 8)
    at += {12: 1, 13: 2, 14: 2}.get(frame[2] & 0x0F, 0)
    if _crc(frame[: at + 1], 8, 0x07):
        return None
    return (number if frame[1] & 1 else number * block) + length


def _crc(content: bytes, bits: int, polynomial: int) -> int:
    """Return a CRC; it is 0 for content that ends with its own CRC."""
    value, top, mask = 0, 1 << (bits - 1), (1 << bits) - 1
    for byte in content:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
    return value
