"""Text that grows while audio comes in, from a file or from standard input."""

import logging
import signal
import sys
import time
from dataclasses import dataclass
from typing import BinaryIO, Iterator

import numpy as np

from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
from espnet_plugin.errors import UserError
from espnet_plugin.recognise.audio import SequentialFile, check_file

__all__ = ["LiveOptions", "recognise_live"]


@dataclass(frozen=True)
class LiveOptions:
    """How audio comes in and text goes out.

    Attributes:
        block_ms: Audio handed over at a time.
        real_time: Hand a file over no faster than it was spoken.
        quiet: Print final texts only.
    """

    block_ms: float = 100.0
    real_time: bool = False
    quiet: bool = False

    def __post_init__(self):
        if not self.block_ms > 0:
            raise UserError(f"--block_ms {self.block_ms}: must be above 0")


def recognise_live(
    recogniser: StreamingRecogniser, name: str, options: LiveOptions
) -> None:
    """Recognise one utterance and print its text.

    Args:
        recogniser: Reset before.
        name: A file, or ``-`` for 16-bit samples on standard input.
        options: See there.

    Raises:
        UserError: If the file cannot be read, or is not what the model takes.
    """
    recogniser.reset()
    rate = recogniser.sample_rate
    block = max(1, round(rate * options.block_ms / 1000))
    if name == "-":
        blocks = _from_stream(sys.stdin.buffer, block)
    else:
        blocks = _from_file(name, block, rate)
    begun, spoken, shown = time.monotonic(), 0.0, ""
    for samples in blocks:
        spoken += len(samples) / rate
        if options.real_time:
            time.sleep(max(0.0, begun + spoken - time.monotonic()))
        text = recogniser.accept(samples).text
        if text != shown and not options.quiet:
            # A terminal shows one growing line, a file one line a step.
            print(text, end="\r" if sys.stdout.isatty() else "\n", flush=True)
            shown = text
    print(recogniser.accept([], last=True).text, flush=True)


def _from_stream(stream: BinaryIO, block: int) -> Iterator[np.ndarray]:
    """Yield samples until the stream ends, or Ctrl-C.

    That is how a microphone is stopped, and what was said until then is wanted: only
    reading is interrupted, not a chunk that is being computed, unless it comes twice.
    """
    reading = stopped = False

    def stop(*_) -> None:
        nonlocal stopped
        again, stopped = stopped, True
        if reading or again:
            raise KeyboardInterrupt

    rest, before = b"", signal.signal(signal.SIGINT, stop)
    try:
        while not stopped:
            reading = True
            # What is there is enough: waiting for a whole block would add latency.
            data = stream.read1(2 * block)
            reading = False
            if not data:
                return
            data = rest + data
            whole = len(data) // 2 * 2
            rest = data[whole:]
            yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768
    except KeyboardInterrupt:
        logging.info("interrupted: that was the end of the audio")
    finally:
        signal.signal(signal.SIGINT, before)


def _from_file(name: str, block: int, rate: int) -> Iterator[np.ndarray]:
    check_file(name)
    try:
        sound = SequentialFile(name)
    except (RuntimeError, TypeError) as error:
        raise UserError(f"{name} cannot be read: {error}") from error
    with sound:
        if sound.samplerate != rate or sound.channels != 1:
            raise UserError(
                f"{name} has {sound.samplerate} Hz and {sound.channels} channel(s); "
                f"the model takes {rate} Hz and one channel: convert it, e.g. sox "
                f"{name} -r {rate} -c 1 converted.wav; or recognise it as a whole, "
                "with --format text"
            )
        for piece in sound.pieces(block):
            yield piece[:, 0]
