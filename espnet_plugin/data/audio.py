"""Reading audio files and saying what is wrong with them."""

from pathlib import Path
from typing import Optional

import numpy as np
import soundfile

from espnet_plugin.data.sphere import sphere_problem
from espnet_plugin.errors import UserError

__all__ = ["SILENCE_PEAK", "file_rate", "read_audio"]

# Two steps of 16-bit audio: below that a file holds dither, not speech.
SILENCE_PEAK = 2.0 / 32768.0


def read_audio(
    path: str, sample_rate: int, start: float = 0.0, end: Optional[float] = None
) -> np.ndarray:
    """Read a one-channel file (anything libsndfile reads: WAV, FLAC, SPHERE, Opus...).

    Args:
        path: The file, or a Kaldi pipe (refused).
        sample_rate: The rate it must have, in Hz.
        start: Second from which on it is read.
        end: Second up to which; None, or past its end: all of it.

    Returns:
        ``(samples,)`` float32 in [-1, 1).

    Raises:
        UserError: If it cannot be read, has another rate, several channels, no sample,
            a NaN, or is silent.
    """
    if path.rstrip().endswith("|"):
        raise UserError(
            f"{path!r} is a command, not a file: run it once and name its output"
        )
    if not Path(path).is_file():
        raise UserError(f"{path} does not exist")
    try:
        # Cut as ESPnet's format_wav_scp.py does, downwards to whole samples.
        samples, rate = soundfile.read(
            path,
            start=int(start * sample_rate),
            stop=None if end is None else int(end * sample_rate),
            dtype="float32",
            always_2d=True,
        )
    except (soundfile.LibsndfileError, RuntimeError) as error:
        why = sphere_problem(Path(path)) or error
        raise UserError(f"{path} cannot be read as audio: {why}") from error
    if rate != sample_rate:
        raise UserError(
            f"{path} has {rate} Hz, not {sample_rate}: resample it, or give "
            f"--fs {rate} and a model for that (frontend_conf.fs)"
        )
    if samples.shape[1] != 1:
        raise UserError(
            f"{path} has {samples.shape[1]} channels: choose or mix down to one first"
        )
    samples = samples[:, 0]
    if not len(samples):
        part = f" from second {start:g} on" if start else ""
        raise UserError(f"{path} has no sample{part}")
    if not np.isfinite(samples).all():
        raise UserError(f"{path} holds NaN or infinite samples")
    if np.abs(samples - samples.mean()).max() < SILENCE_PEAK:
        raise UserError(f"{path} is silent")
    return samples


def file_rate(path: str) -> Optional[int]:
    """Return the sampling rate in Hz of a file; None of what cannot be looked into."""
    if not Path(path).is_file():
        return None
    try:
        return soundfile.info(path).samplerate
    except (soundfile.LibsndfileError, RuntimeError):
        return None
