"""Recognise, from its first bytes, a file that cannot be read as audio."""

from pathlib import Path
from typing import Optional

from espnet_plugin.data.sphere import sphere_problem

__all__ = ["why_unreadable"]

_CONVERT = "convert it once, e.g. with 'ffmpeg -i OLD -ar RATE -ac 1 NEW.wav'"
_UNPACK = "unpack it first"
# First bytes, the kind of file that begins with them, and the way out.
_KINDS = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the audio: run 'git lfs pull'",
    ),
    (b"\x1f\x8b", f"compressed with gzip: {_UNPACK}"),
    (b"PK\x03\x04", f"a zip archive: {_UNPACK}"),
    (b"\xfd7zXZ", f"compressed with xz: {_UNPACK}"),
    (b"BZh", f"compressed with bzip2: {_UNPACK}"),
    (b"\x1aE\xdf\xa3", f"a Matroska or WebM file: {_CONVERT}"),
    (b"0&\xb2u", f"a WMA file: {_CONVERT}"),
    (b"#!AMR", f"an AMR file: {_CONVERT}"),
)
_NO_AUDIO = "a text file, not audio: download or copy it again"
_HEADERLESS = (
    "its first bytes are not those of a known audio format: if it holds bare samples, "
    "give it a header, e.g. with 'sox -t raw -r RATE -e signed -b 16 -c 1 OLD NEW.wav'"
)


def why_unreadable(path: Path) -> Optional[str]:
    """Say why libsndfile cannot read a file; None if its first bytes do not tell.

    Args:
        path: The file.

    Returns:
        The reason and the way out, to be put after "cannot be read as audio: ".
    """
    problem = sphere_problem(path)
    if problem is not None:
        return problem
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError:
        return None
    if not head:
        return "it is empty: copy or record it again"
    for magic, what in _KINDS:
        if head.startswith(magic):
            return f"it is {what}"
    if head[4:8] == b"ftyp":
        return f"it is an MP4 or M4A file: {_CONVERT}"
    if head.isascii() and all(byte >= 32 or byte in b"\t\n\r" for byte in head):
        return f"it is {_NO_AUDIO}"
    if head.startswith((b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"FORM", b"ID3")):
        return None
    return _HEADERLESS
