"""Sound files of any kind, as blocks of one channel at the model's rate."""

import logging
from pathlib import Path
from typing import Iterator, Optional

import numpy as np
import soundfile

from espnet_plugin.data.audio import INTEGER_PEAK
from espnet_plugin.data.container import SequentialFile, cut_off, decoded_short
from espnet_plugin.data.file_kinds import why_unreadable
from espnet_plugin.errors import UserError
from espnet_plugin.recognise.resample import resample_blocks

__all__ = ["AudioReader", "check_block", "check_file"]

BLOCK_SECONDS = 5.0
# Least power of the mean of the channels, relative to their mean power. Two channels of
# independent noise have 0.5; the same signal with opposite signs has 0.
_CANCELLED = 0.02
# In Hz. At others an hour of nothing, or a filter of gigabytes, would be computed.
_RATES = (1000, 1_000_000)


class AudioReader:
    """Reads one file block by block: memory does not grow with its length.

    Several channels are averaged, because most such files hold one speaker recorded
    twice. If the channels cancel each other, or each has its own speaker, one must be
    chosen with ``channel``. A different sampling rate is converted with a polyphase
    filter.

    Args:
        path: A file in a format that libsndfile reads: WAV, FLAC, MP3, OGG, Opus...
        sample_rate: Sampling rate of the blocks in Hz.
        channel: Number of the channel to use, from 1; the mean of all if None.

    Attributes:
        notes: Sentences for the user on how the audio was changed.

    Raises:
        UserError: If the file is missing, empty, truncated or not a sound file, or does
            not have the channel.
    """

    def __init__(self, path: str, sample_rate: int, channel: Optional[int] = None):
        self.notes: list[str] = []
        self._path, self._rate = path, int(sample_rate)
        check_file(path)
        try:
            self._sound = SequentialFile(path)
        except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
            why = why_unreadable(Path(path)) or (
                f"{error}: give a file that libsndfile reads (WAV, FLAC, MP3, OGG), or "
                f"convert it, e.g. ffmpeg -i {path} converted.wav"
            )
            raise UserError(f"{path} cannot be read as audio: {why}") from error
        try:
            self._check(channel)
        except UserError:
            self._sound.close()
            raise
        self._channel = channel

    def _check(self, channel: Optional[int]) -> None:
        sound, path = self._sound, self._path
        problem = cut_off(path, sound)
        if problem is not None:
            raise UserError(f"{path} {problem}")
        if not _RATES[0] <= sound.samplerate <= _RATES[1]:
            raise UserError(
                f"{path}: its header says {sound.samplerate} Hz, which no recording of "
                "speech has: write the right rate into it, e.g. sox -r RATE "
                f"{path} corrected.wav"
            )
        if sound.frames == 0:
            raise UserError(f"{path} has no samples: record or copy it again")
        if channel is not None and not 1 <= channel <= sound.channels:
            raise UserError(
                f"--channel {channel}: {path} has {sound.channels} channel(s); give 1 "
                f"to {sound.channels}, or leave the option out"
            )
        if channel is None and sound.channels > 1:
            self._note(
                f"the mean of its {sound.channels} channels is used; --channel N "
                "selects one, which is better if each channel has its own speaker"
            )
        if sound.samplerate != self._rate:
            note = f"resampled from {sound.samplerate} to {self._rate} Hz"
            if sound.samplerate < self._rate:
                note += (
                    f"; it contains no sound above {sound.samplerate // 2} Hz, where "
                    "the model expects speech, so more errors are likely"
                )
            self._note(note)

    def _note(self, note: str) -> None:
        self.notes.append(note)
        logging.warning("%s: %s", self._path, note)

    def __enter__(self) -> "AudioReader":
        return self

    def __exit__(self, *_) -> None:
        self._sound.close()

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield ``(samples,)`` float32 at the model's rate, some seconds at a time.

        Raises:
            UserError: If a sample is NaN, infinite or in the range of integers,
                decoding fails, the file ends before its announced length, or averaging
                the channels leaves nothing.
        """
        rate = self._sound.samplerate
        if rate == self._rate:
            return self._mono()
        return resample_blocks(self._mono(), rate, self._rate)

    def _mono(self) -> Iterator[np.ndarray]:
        sound, path = self._sound, self._path
        done, power_of_mean, mean_power = 0, 0.0, 0.0
        for block in sound.pieces(max(1, int(BLOCK_SECONDS * sound.samplerate))):
            check_block(path, block, done, sound.samplerate)
            done += len(block)
            if self._channel is not None:
                yield block[:, self._channel - 1]
                continue
            mono = block.mean(axis=1)
            power_of_mean += float(np.square(mono, dtype=np.float64).sum())
            mean_power += float(np.square(block, dtype=np.float64).mean(axis=1).sum())
            yield mono
        problem = decoded_short(done, sound.frames)
        if problem is not None:
            raise UserError(f"{path} {problem}")
        if power_of_mean < _CANCELLED * mean_power:
            raise UserError(
                f"{path}: its {sound.channels} channels cancel each other when they "
                "are averaged (opposite sign): choose one with --channel 1"
            )


def check_block(path: str, samples: np.ndarray, start: int, rate: int) -> None:
    """Refuse samples that are no numbers, or have the range of integers.

    Args:
        path: The file, for messages.
        samples: A block ``(samples, channels)``.
        start: Samples of the file before the block.
        rate: Sampling rate in Hz.

    Raises:
        UserError: Naming the file, and the time of the sample or the peak.
    """
    finite = np.isfinite(samples).all(axis=1)
    if not finite.all():
        second = (start + int(np.argmin(finite))) / rate
        raise UserError(
            f"{path} holds a NaN or infinite sample at {second:.3f} s: repair the "
            "program that wrote it, or convert it to 16-bit samples"
        )
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > INTEGER_PEAK:
        raise UserError(
            f"{path} reaches {peak:.0f}, the range of integers in a file of "
            "floating-point samples: divide them by 32768"
        )


def check_file(path: str) -> None:
    """Check that a path is a file with content.

    Raises:
        UserError: If it is a folder, missing or empty.
    """
    if not path:
        raise UserError("a path is empty: give sound files, e.g. recordings/*.wav")
    file = Path(path)
    if file.is_dir():
        raise UserError(f"{path} is a folder: give sound files, e.g. {path}/*.wav")
    if not file.exists():
        raise UserError(f"{path} is missing: give the path of a sound file")
    if not file.is_file():
        raise UserError(
            f"{path} is a pipe or a device, not a file: write the audio into a file "
            "first (a streaming model also takes standard input, as -)"
        )
    if file.stat().st_size == 0:
        raise UserError(f"{path} is empty (0 bytes): record or copy it again")
