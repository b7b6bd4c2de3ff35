"""The scale on which ESPnet reads an entry of a ``kaldi_ark`` table.

ESPnet reads such entries with omniio (before 202611 with kaldiio). The scale depends on
the framing.
A sound file packed behind the word ``AUDIO``, which is how ``asr.sh`` writes archives
(``--audio_format flac.ark``), comes as numbers in [-1, 1]; a bare WAV or
FLAC, as a file, at a position in an archive or from a command, comes as its integers.
"""

import io
import re
from pathlib import Path
from typing import Optional, Sequence

import soundfile

__all__ = ["entry_scale", "table_scale"]

# Full scale of what omniio makes of a kind of sample; of all others it makes floats.
_FULL_SCALES = {
    "PCM_S8": 2.0**15,
    "PCM_U8": 2.0**15,
    "PCM_16": 2.0**15,
    "PCM_24": 2.0**31,
    "PCM_32": 2.0**31,
}
_COMMAND = 2.0**15  # Commands of wav.scp write WAV of 16 bits (sox, sph2pipe, ffmpeg).
_SOUNDS = (b"RIFF", b"fLaC", b"OggS")
_HEADER = 1 << 20  # bytes in which the header of a sound is


def table_scale(path: Path, roots: Sequence[Path] = (Path(),)) -> Optional[float]:
    """Return the full scale of the samples behind a table, by its first entry.

    Args:
        path: The table.
        roots: Folders to which relative paths may refer, the most likely one first.

    Returns:
        1.0 for samples in [-1, 1]; None where the table or its first entry is not
        there any more.
    """
    for root in roots:
        try:
            with open(root / path, encoding="utf-8-sig") as stream:
                fields = next((line.split(None, 1) for line in stream if line.strip()))
        except (OSError, UnicodeDecodeError, StopIteration):
            continue
        if len(fields) == 2:
            return entry_scale(fields[1].strip(), root)
    return None


def entry_scale(entry: str, root: Path = Path()) -> Optional[float]:
    """Return the full scale of the samples that ESPnet makes of an entry.

    Nothing is executed: what a command would write is taken for 16-bit WAV.

    Args:
        entry: A file, ``archive:position`` or ``command |``.
        root: Folder to which relative paths refer.

    Returns:
        As :func:`table_scale`.
    """
    if entry.endswith("|"):
        return _COMMAND
    position = re.fullmatch(r"(.+):([0-9]+)", entry)
    name, offset = (position[1], int(position[2])) if position else (entry, 0)
    try:
        with open(root / name, "rb") as stream:
            stream.seek(offset)
            head = stream.read(_HEADER)
    except OSError:
        return None
    if not head.startswith(_SOUNDS):
        return 1.0  # framed by AUDIO, or a matrix
    try:
        with soundfile.SoundFile(io.BytesIO(head)) as sound:
            return _FULL_SCALES.get(sound.subtype, 1.0)
    except soundfile.LibsndfileError:
        return None
