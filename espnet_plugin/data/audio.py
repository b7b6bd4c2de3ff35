"""Read audio files and report what is wrong with them."""

import os
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile

from espnet_plugin.data.container import SequentialFile, cut_off, decoded_short
from espnet_plugin.data.file_kinds import why_unreadable
from espnet_plugin.data.missing_audio import why_missing
from espnet_plugin.errors import UserError

__all__ = ["INTEGER_PEAK", "MAX_OVERSHOOT", "SILENCE_PEAK", "file_rate", "read_audio"]

# Two steps of 16-bit audio: a file with a lower peak holds dither, not speech.
SILENCE_PEAK = 2.0 / 32768.0
# Floating-point samples beyond this have the range of integers. Overshoot of a loud
# recording ends far below.
INTEGER_PEAK = 32.0
# Seconds that a segment may end after its recording, as for Kaldi's extract-segments.
MAX_OVERSHOOT = 0.5
# A header may announce more samples than memory holds.
_PIECE = 1 << 22


def read_audio(
    path: str, sample_rate: int, start: float = 0.0, end: Optional[float] = None
) -> np.ndarray:
    """Read a one-channel file (anything libsndfile reads: WAV, FLAC, SPHERE, Opus...).

    Args:
        path: The file, or a Kaldi pipe (refused).
        sample_rate: The rate it must have, in Hz.
        start: Time in seconds at which reading starts.
        end: Time in seconds at which reading ends; None, or a time past the end: the
            end of the file.

    Returns:
        ``(samples,)`` float32 in [-1, 1).

    Raises:
        UserError: If it cannot be read, has another rate, several channels, no sample,
            a NaN, samples in the range of integers, or is silent.
    """
    if path.rstrip().endswith("|"):
        raise UserError(
            f"{path!r} is a command, not a file: run it once and give the file that "
            "it writes"
        )
    if not os.path.isfile(path):
        hint = _archive_hint(path) or why_missing(path)
        raise UserError(f"{path[:300]} does not exist{hint}")
    samples, rate, seconds = _read(path, sample_rate, start, end)
    if rate != sample_rate:
        raise UserError(
            f"{path} has {rate} Hz, not {sample_rate}: resample it, or give "
            f"--fs {rate} and a model for that (frontend_conf.fs)"
        )
    if samples.shape[1] != 1:
        raise UserError(
            f"{path} has {samples.shape[1]} channels: first choose one of them, or "
            "mix them down to one"
        )
    samples = samples[:, 0]
    if not len(samples):
        if start:
            raise UserError(
                f"{path} has no samples after {start:g} s: it is only {seconds:.2f} s "
                "long"
            )
        raise UserError(f"{path} has no samples")
    if end is not None and end > seconds + MAX_OVERSHOOT:
        raise UserError(
            f"{path} is {seconds:.2f} s long, but its segment ends at {end:g} s: "
            "correct the file segments, or use the recording that it was made for"
        )
    if not np.isfinite(samples).all():
        raise UserError(f"{path} holds NaN or infinite samples")
    peak = float(np.abs(samples).max())
    if peak > INTEGER_PEAK:
        raise UserError(
            f"{path} reaches {peak:.0f}, the range of integers in a file of "
            "floating-point samples: divide them by 32768"
        )
    if np.abs(samples - samples.mean()).max() < SILENCE_PEAK:
        raise UserError(f"{path} is silent")
    return samples


def _read(
    path: str, sample_rate: int, start: float, end: Optional[float]
) -> tuple[np.ndarray, int, float]:
    """Return (samples, channels), the rate in Hz, and the seconds of the whole file."""
    try:
        with SequentialFile(path) as sound:
            problem = cut_off(path, sound)
            if problem is not None:
                raise UserError(f"{path} {problem}")
            rate, seconds = sound.samplerate, sound.frames / sound.samplerate
            # Cut as ESPnet's format_wav_scp.py does, downwards to whole samples.
            first = int(start * sample_rate)
            last = sound.frames if end is None else int(end * sample_rate)
            if first:
                sound.seek(min(first, sound.frames))
            wanted = max(0, min(last, sound.frames) - first)
            pieces, there = [], 0
            while there < wanted:
                piece = next(sound.pieces(min(wanted - there, _PIECE)), None)
                if piece is None:
                    break
                pieces.append(piece)
                there += len(piece)
            problem = decoded_short(there, wanted)
            if problem is not None:
                raise UserError(f"{path} {problem}")
            pieces = pieces or [np.zeros((0, sound.channels), np.float32)]
            return np.concatenate(pieces), rate, seconds
    except (soundfile.LibsndfileError, RuntimeError, TypeError, OSError) as error:
        why = why_unreadable(Path(path)) or error
        raise UserError(f"{path} cannot be read as audio: {why}") from error


def file_rate(path: str) -> Optional[int]:
    """Return the sampling rate in Hz of a file; None if it cannot be read."""
    if not os.path.isfile(path):
        return None
    try:
        return soundfile.info(path).samplerate
    except (soundfile.LibsndfileError, RuntimeError):
        return None


def _archive_hint(path: str) -> str:
    name, colon, position = path.rpartition(":")
    if colon and position.isdigit():
        return (
            f": it is a position in the archive {name}; write the audio to separate "
            "files"
        )
    if os.path.isdir(path):
        return " as a file: it is a folder"
    return ""
