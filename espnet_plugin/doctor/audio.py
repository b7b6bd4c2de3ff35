"""Measure one audio file: it is read once, in pieces."""

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional, Sequence

import numpy as np
import soundfile

from espnet_plugin.data.audio import MAX_OVERSHOOT, SILENCE_PEAK
from espnet_plugin.data.container import SequentialFile, cut_off, decoded_short
from espnet_plugin.data.file_kinds import why_unreadable
from espnet_plugin.doctor.signature import HighestSamples, signature
from espnet_plugin.errors import UserError

__all__ = ["Heard", "Job", "Part", "PIPE_SECONDS", "hear", "kind_of_entry"]

_PIECE = 1 << 16
# Length in seconds of the frames whose highest and lowest sample are kept, from which
# the peaks of segments are computed.
_FRAME = 0.01
# A sample at or above this is clipped, in a file that reaches full scale.
_FULL = 0.999
# A command of wav.scp that runs longer than this is taken to hang.
PIPE_SECONDS = 600


@dataclass(frozen=True)
class Job:
    """An audio file to check.

    Attributes:
        path: File or command.
        spans: Start and end of its segments in seconds; empty if the whole file is one
            utterance.
        decode: Whether the samples are decoded; if not, only the header is read.
        run_pipes: Whether it is run if it is a command.
    """

    path: str
    spans: tuple[tuple[float, float], ...] = ()
    decode: bool = True
    run_pipes: bool = False


@dataclass(frozen=True)
class Part:
    """What was measured on one utterance of a file.

    Attributes:
        seconds: Its length.
        peak: Largest absolute sample.
        rms: Root mean square of the samples; nan if not decoded.
        problem: Kind and reason, or None.
    """

    seconds: float
    peak: float = float("nan")
    rms: float = float("nan")
    problem: Optional[tuple[str, str]] = None


@dataclass(frozen=True)
class Heard:
    """What was measured on a whole file.

    Attributes:
        problem: Kind and reason why it cannot be used; None if it can.
        seconds: Its length.
        rate: Sampling rate in Hz.
        channels: Number of channels.
        peak: Largest absolute sample; nan where not decoded.
        rms: Root of the mean square.
        clipped: Share of samples at full scale.
        offset: Mean of the samples; nan where not decoded.
        signature: See :mod:`espnet_plugin.doctor.signature`.
        digest: Digest of the samples, independent of the file format; None if not
            decoded.
        parts: One for each span, or one for the whole file.
        absent: Whether there is nothing of that name.
    """

    problem: Optional[tuple[str, str]] = None
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    peak: float = float("nan")
    rms: float = float("nan")
    clipped: float = 0.0
    offset: float = float("nan")
    signature: Optional[bytes] = None
    digest: Optional[bytes] = None
    parts: tuple[Part, ...] = ()
    absent: bool = False


def kind_of_entry(value: str) -> str:
    """Return ``pipe``, ``archive`` or ``file`` for an entry of wav.scp."""
    if value.rstrip().endswith("|"):
        return "pipe"
    name, colon, position = value.rpartition(":")
    if colon and position.isdigit() and not os.path.exists(value):
        return "archive"
    return "file"


def hear(job: Job) -> Heard:
    """Read a file; problems are returned, not raised."""
    if kind_of_entry(job.path) == "pipe":
        if not job.run_pipes:
            return Heard(("pipe", job.path))
        with tempfile.NamedTemporaryFile(prefix="check_data.") as file:
            try:
                _write_output(job.path, file)
            except UserError as error:
                return Heard(("unreadable", str(error)))
            return _hear_file(job, file.name)
    elif kind_of_entry(job.path) == "archive":
        return Heard(("archive", job.path))
    elif not os.path.isfile(job.path):
        what, absent = "does not exist", not os.path.exists(job.path)
        if not absent:
            what = "is a folder" if os.path.isdir(job.path) else "is not a regular file"
        return Heard(("no-file", f"{job.path[:300]} {what}"), absent=absent)
    return _hear_file(job, job.path)


def _hear_file(job: Job, file: str) -> Heard:
    """Read the file of a job, or the one that holds the output of its command."""
    try:
        with SequentialFile(file) as sound:
            return _hear(job, sound, file)
    except UserError as error:
        return Heard(("truncated", str(error).replace(file, job.path)))
    except (soundfile.LibsndfileError, RuntimeError, TypeError, OSError) as error:
        why = str(why_unreadable(Path(file)) or error).replace(file, job.path)
        return Heard(("unreadable", f"{job.path}: {why}"))


def _write_output(command: str, file: IO[bytes]) -> None:
    """Run a command of wav.scp as Kaldi does."""
    text = command.rstrip().rstrip("|")
    try:
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {text}"],
            stdout=file,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=PIPE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{text!r} did not finish within {PIPE_SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise UserError(f"{text!r} failed with status {done.returncode}: {said}")
    if not os.path.getsize(file.name):
        raise UserError(f"{text!r} produced no output")


def _hear(job: Job, sound: SequentialFile, file: str) -> Heard:
    rate, channels, announced = sound.samplerate, sound.channels, sound.frames
    facts = dict(rate=rate, channels=channels, seconds=announced / rate)
    problem = cut_off(file, sound)
    if problem is not None:
        return Heard(("truncated", f"{job.path} {problem}"), **facts)
    if not announced:
        return Heard(("unreadable", f"{job.path} has no samples"), **facts)
    if not job.decode:
        whole = announced / rate
        spans = job.spans or ((0.0, whole),)
        return Heard(**facts, parts=tuple(_outside(*span, whole) for span in spans))
    digest = hashlib.blake2b(f"{rate} {channels}".encode(), digest_size=16)
    step = max(1, round(_FRAME * rate))
    size = _PIECE // step * step
    done, total, clipped = 0, 0.0, 0
    lows, highs, powers = [], [], []
    peaks = HighestSamples(step)
    for piece in sound.pieces(size):
        mono = piece[:, 0] if channels == 1 else piece.mean(axis=1)
        starts = np.arange(0, len(mono), step)
        low = np.minimum.reduceat(mono, starts)
        high = np.maximum.reduceat(mono, starts)
        # Both are NaN where a sample of the frame is.
        if not np.isfinite(high - low).all():
            second = (done + int(np.argmin(np.isfinite(piece).all(axis=1)))) / rate
            return Heard(("not-finite", f"{job.path} at {second:.3f} s"), **facts)
        # 16-bit values, so that WAV, FLAC and float files of one recording are equal.
        scaled = piece * np.float32(32768.0)
        np.rint(scaled, out=scaled)
        digest.update(scaled.astype("<i4"))
        total += float(mono.sum())
        if max(-low.min(), high.max()) >= _FULL:
            clipped += int(np.count_nonzero(np.abs(mono) >= _FULL))
        lows.append(low)
        highs.append(high)
        powers.append(np.add.reduceat(np.square(mono, dtype=np.float64), starts))
        peaks.add(mono, low, high, done)
        done += len(piece)
    problem = decoded_short(done, announced)
    if problem is not None:
        return Heard(("truncated", f"{job.path} {problem}"), **facts)
    low, high, energy = map(np.concatenate, (lows, highs, powers))
    facts["seconds"] = seconds = done / rate
    spans = job.spans or ((0.0, seconds),)
    return Heard(
        **facts,
        peak=float(max(-low.min(), high.max())),
        rms=float(np.sqrt(energy.sum() / done)),
        clipped=clipped / done,
        offset=total / done,
        signature=signature(energy, step, rate, peaks.places()),
        digest=digest.digest(),
        parts=tuple(_part(*span, seconds, low, high, energy, step) for span in spans),
    )


def _outside(start: float, end: float, whole: float) -> Part:
    end = whole if end == -1 else end
    if start >= whole or end > whole + MAX_OVERSHOOT:
        what = f"{start:g} to {end:g} s, but the recording has only {whole:.2f} s"
        return Part(0.0, problem=("outside", what))
    return Part(min(end, whole) - start)


def _part(
    start: float,
    end: float,
    whole: float,
    low: np.ndarray,
    high: np.ndarray,
    energy: Sequence[float],
    step: int,
) -> Part:
    found = _outside(start, end, whole)
    if found.problem is not None:
        return found
    first = min(int(start / _FRAME), len(low) - 1)
    last = max(first + 1, int(np.ceil((start + found.seconds) / _FRAME)))
    bottom, top = float(low[first:last].min()), float(high[first:last].max())
    problem = None
    if (top - bottom) / 2 < SILENCE_PEAK:
        problem = "silent", f"{found.seconds:.2f} s of silence"
    rms = float(np.sqrt(np.mean(energy[first:last]) / step))
    return Part(found.seconds, max(-bottom, top), rms, problem)
