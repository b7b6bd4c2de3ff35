"""Streaming recognition of a file or of standard input."""

import logging
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator, Optional

import numpy as np

from espnet_plugin.data.container import SequentialFile, cut_off, decoded_short
from espnet_plugin.data.file_kinds import why_unreadable
from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
from espnet_plugin.errors import UserError
from espnet_plugin.recognise.audio import check_block, check_file
from espnet_plugin.recognise.sound_stream import (
    is_sound_file,
    read_wav_header,
    stream_head,
)

__all__ = ["LiveOptions", "recognise_live"]


# Memory for a block is reserved at once.
_LONGEST_BLOCK_MS = 1e6


@dataclass(frozen=True)
class LiveOptions:
    """Options of streaming recognition.

    Attributes:
        block_ms: Duration of the blocks that are passed to the recogniser, in ms.
        real_time: Whether a file is passed on at the speed at which it was spoken.
        quiet: Whether only the final text is printed.
    """

    block_ms: float = 100.0
    real_time: bool = False
    quiet: bool = False

    def __post_init__(self):
        if not 0 < self.block_ms <= _LONGEST_BLOCK_MS:
            raise UserError(
                f"--block_ms {self.block_ms:g}: must be above 0 and at most "
                f"{_LONGEST_BLOCK_MS:.0f}"
            )


def recognise_live(
    recogniser: StreamingRecogniser, name: str, options: LiveOptions
) -> None:
    """Recognise one utterance, and print the text as it grows.

    Args:
        recogniser: The recogniser; it is reset first.
        name: Path of a file, or ``-`` for standard input: 16-bit samples or the bytes
            of a sound file.
        options: Options of streaming recognition.

    Raises:
        UserError: If the file cannot be read, or has a different sampling rate than the
            model or several channels.
    """
    recogniser.reset()
    rate = recogniser.sample_rate
    block = max(1, round(rate * options.block_ms / 1000))
    blocks = _from_stdin(block, rate) if name == "-" else _from_file(name, block, rate)
    begun, spoken, shown = time.monotonic(), 0.0, ""
    for samples in blocks:
        spoken += len(samples) / rate
        if options.real_time:
            time.sleep(max(0.0, begun + spoken - time.monotonic()))
        text = recogniser.accept(samples).text
        if text != shown and not options.quiet:
            # A terminal shows one growing line; a file gets one line per step.
            print(text, end="\r" if sys.stdout.isatty() else "\n", flush=True)
            shown = text
    print(recogniser.accept([], last=True).text, flush=True)


def _from_stdin(block: int, rate: int) -> Iterator[np.ndarray]:
    """Yield the samples that arrive on standard input, bare or in a sound file.

    Bare samples and WAV files are recognised while they arrive. Files of other formats
    are first read completely, because libsndfile needs to seek in them.
    """
    stream = _until_stopped(sys.stdin.buffer, 2 * block)
    head = stream_head(stream)
    if not is_sound_file(head):
        return _samples(chain([head], stream))
    wav = read_wav_header(head)
    if wav is None:
        return _from_spool(chain([head], stream), block, rate)
    if (wav.rate, wav.channels) != (rate, 1):
        raise UserError(
            f"standard input has {wav.rate} Hz and {wav.channels} channel(s); the "
            f"model takes {rate} Hz and one channel: convert it, e.g. sox - -r {rate} "
            "-c 1 -t wav -"
        )
    return _samples(wav.data(chain([head], stream)))


def _samples(pieces: Iterable[bytes]) -> Iterator[np.ndarray]:
    """Yield 16-bit samples as floats in [-1, 1); a piece may end within a sample."""
    rest = b""
    for data in pieces:
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        if whole:
            yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768


def _from_spool(pieces: Iterable[bytes], block: int, rate: int):
    with tempfile.NamedTemporaryFile() as spool:
        for piece in pieces:
            spool.write(piece)
        spool.flush()
        yield from _from_file(spool.name, block, rate, "standard input")


def _until_stopped(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield bytes until the stream ends or the user presses Ctrl-C.

    Ctrl-C is the way to stop a microphone, and the text until then is still wanted. So
    it only interrupts reading, not the computation of a chunk, unless it is pressed
    twice.
    """
    reading = stopped = False

    def stop(*_) -> None:
        nonlocal stopped
        again, stopped = stopped, True
        if reading or again:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        while not stopped:
            reading = True
            # Less than a block is enough: waiting for a whole block would add latency.
            data = stream.read1(size)
            reading = False
            if not data:
                return
            yield data
    except KeyboardInterrupt:
        logging.info("interrupted: the audio ends here")
    finally:
        signal.signal(signal.SIGINT, before)


def _from_file(
    path: str, block: int, rate: int, name: Optional[str] = None
) -> Iterator[np.ndarray]:
    """Yield the samples of a file; messages call it ``name``."""
    name = path if name is None else name
    check_file(path)
    try:
        sound = SequentialFile(path)
    except (RuntimeError, TypeError) as error:
        why = why_unreadable(Path(path)) or (
            f"{str(error).replace(path, name)}: convert it, e.g. with ffmpeg, to WAV "
            "or FLAC"
        )
        raise UserError(f"{name} cannot be read as audio: {why}") from error
    with sound:
        problem = cut_off(path, sound)
        if problem is not None:
            raise UserError(f"{name} {problem}")
        if sound.samplerate != rate or sound.channels != 1:
            raise UserError(
                f"{name} has {sound.samplerate} Hz and {sound.channels} channel(s); "
                f"the model takes {rate} Hz and one channel: convert it, e.g. sox "
                f"{'-' if name != path else name} -r {rate} -c 1 converted.wav; or "
                "recognise it as a whole, with --format text"
            )
        done = 0
        for piece in sound.pieces(block):
            check_block(name, piece, done, rate)
            done += len(piece)
            yield piece[:, 0]
        problem = decoded_short(done, sound.frames)
        if problem is not None:
            raise UserError(f"{name} {problem}")
        if not done:
            raise UserError(f"{name} has no samples: record or copy it again")
