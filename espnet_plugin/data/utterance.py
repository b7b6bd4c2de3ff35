"""Check one utterance in stage 2 and write it in a format that ESPnet reads."""

import io
import signal
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Optional

import numpy as np
import soundfile
import torch
import torchaudio

from espnet_plugin.data.audio import read_audio
from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.data.frames import encoder_frames, feature_frames
from espnet_plugin.data.kaldi import Segment, file_name
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_bytes

__all__ = [
    "FormatOptions",
    "Formatted",
    "Utterance",
    "at_speed",
    "format_utterance",
    "one_thread",
    "speed_prefix",
]


@dataclass(frozen=True)
class FormatOptions:
    """Options for writing a set.

    Attributes:
        fs: Sampling rate in Hz that every file must have.
        feats_type: ``raw`` (ESPnet's own frontend computes features while training) or
            ``fbank`` (Kaldi log-mel filter banks, computed here once).
        speeds: Speed factors; 1.0 keeps the utterance, others add a copy each.
        min_seconds: Shorter training utterances are left out.
        max_seconds: Longer training utterances are left out.
        num_mel_bins: Bins of ``fbank``.
        hop_length: Samples between two feature frames, for the CTC length check.
        input_layer: The encoder's sub-sampling layer, for the same check.
        drop_bad: Whether bad utterances are left out instead of raising an error.
        nj: Number of worker processes.
    """

    fs: int = 16000
    feats_type: str = "raw"
    speeds: tuple[float, ...] = (1.0,)
    min_seconds: float = 0.1
    max_seconds: float = 30.0
    num_mel_bins: int = 80
    hop_length: int = 160
    input_layer: Optional[str] = "conv2d"
    drop_bad: bool = False
    nj: int = 1

    def __post_init__(self):
        if self.feats_type not in ("raw", "fbank"):
            raise UserError(f"--feats_type {self.feats_type}: must be raw or fbank")
        if not self.speeds or 1.0 not in self.speeds or min(self.speeds) <= 0:
            raise UserError(
                f"--speed_perturb_factors {self.speeds}: must be positive factors "
                "that include 1.0"
            )
        if not 0 <= self.min_seconds < self.max_seconds:
            raise UserError(
                f"--min_wav_duration {self.min_seconds} must be less than "
                f"--max_wav_duration {self.max_seconds}"
            )


@dataclass(frozen=True)
class Utterance:
    """One utterance to write.

    Attributes:
        source: Its name in the corpus.
        path: Its audio file.
        segment: Its place in that file; None for the whole file.
        speed: Speed factor; 1.0 keeps the original speed.
        target: Folder of the set; if a file is written, it goes into ``data`` there.
        options: How to write it.
        limits: Shortest and longest duration in seconds.
        needed: Frames after sub-sampling that CTC needs for its transcript.
    """

    source: str
    path: str
    segment: Optional[Segment]
    speed: float
    target: Path
    options: FormatOptions
    limits: tuple[float, float]
    needed: int

    @property
    def prefix(self) -> str:
        """Prefix of the utterance and speaker names of a speed-perturbed copy."""
        return speed_prefix(self.speed)

    @property
    def name(self) -> str:
        """Its name in the set."""
        return f"{self.prefix}{self.source}"


def speed_prefix(speed: float) -> str:
    """Return the name prefix of a copy with this speed factor, as in Kaldi."""
    return "" if speed == 1.0 else f"sp{speed:g}-"


@dataclass(frozen=True)
class Formatted:
    """Result for one utterance: the written file, or the problem.

    Attributes:
        path: Its audio or feature file.
        length: Number of samples, or of feature frames.
        problem: None if it was written; "length" if its duration is out of the limits.
        frames: Number of feature frames, if too few for the transcript.
    """

    path: str = ""
    length: int = 0
    problem: Optional[str] = None
    frames: Optional[int] = None


def one_thread() -> None:
    """Prepare a worker process: one thread, and the parent handles Ctrl-C."""
    torch.set_num_threads(1)
    # Ctrl-C reaches every process; only the parent reports it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def at_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play samples at another speed, which also changes their pitch.

    torchaudio's own ``functional.speed`` cuts ``factor * fs`` to a whole number, which
    may have no common divisor with ``fs``: a factor of 1.1 at 11025 Hz then takes half
    a GB and seconds for each utterance (torchaudio 2.11.0,
    findings/torchaudio_speed.sh).

    Args:
        samples: (T,).
        factor: Above 1 is faster; read as a fraction with a denominator up to 1000.

    Returns:
        (ceil(T / factor),).
    """
    ratio = Fraction(factor).limit_denominator(1000)
    wave = torchaudio.functional.resample(
        torch.from_numpy(samples), ratio.numerator, ratio.denominator
    )
    return wave.numpy()


def format_utterance(one: Utterance) -> Formatted:
    """Check one utterance and write it, unless its file can be used as it is."""
    options, segment = one.options, one.segment
    start, end = (0.0, -1) if segment is None else (segment.start, segment.end)
    try:
        samples = read_audio(one.path, options.fs, start, None if end == -1 else end)
    except UserError as error:
        return Formatted(problem=str(error))
    if one.speed != 1.0:
        samples = at_speed(samples, one.speed)
    shortest, longest = one.limits
    if not shortest <= len(samples) / options.fs <= longest:
        return Formatted(problem="length")
    features = None
    inputs = feature_frames(len(samples), options.hop_length)
    if options.feats_type == "fbank":
        features = kaldi_fbank(samples, options.fs, options.num_mel_bins)
        inputs = len(features)
    frames = encoder_frames(inputs, options.input_layer)
    if one.needed > frames:
        return Formatted(
            problem=f"{len(samples) / options.fs:.2f} s give {frames} frames after "
            f"{options.input_layer or 'the front end'}, but CTC needs {one.needed} "
            "for its transcript",
            frames=inputs,
        )
    if features is None and one.speed == 1.0 and segment is None:
        return Formatted(one.path, len(samples))
    # Written in memory first: a full disk must not leave a partial file that looks
    # complete.
    content, folder, name = io.BytesIO(), Path(one.target, "data"), file_name(one.name)
    if features is not None:
        np.save(content, features)
        file, length = folder / f"{name}.npy", len(features)
    else:
        soundfile.write(content, samples, options.fs, format="FLAC", subtype="PCM_16")
        file, length = folder / f"{name}.flac", len(samples)
    write_bytes(file, content.getvalue())
    return Formatted(str(file), length)
