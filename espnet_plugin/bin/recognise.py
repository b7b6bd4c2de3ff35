"""Recognise speech while it comes in: a file, or standard input.

The partial text stands on the last line and grows; the final one is printed on a line
of its own. Nothing but text goes to standard output. Ctrl-C ends standard input.
  python -m espnet_plugin.bin.recognise exp/asr_self_pruned_50_s1_streaming speech.wav
  arecord -q -f S16_LE -r 16000 -t raw | python -m espnet_plugin.bin.recognise EXP -
"""

import argparse
import logging
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO, Iterator

import numpy as np

from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model_dir", type=Path, help="folder with config.yaml and a checkpoint")
    add(
        "audio",
        nargs="+",
        help="files, each an utterance, or - for standard input: 16-bit samples, "
        "little-endian, one channel, at the model's rate",
    )
    add("--block_ms", type=float, default=100.0, help="audio handed over at a time")
    add("--chunk_frames", type=int, help="encoder frames a chunk; the model's own")
    add("--num_threads", type=int, default=1)
    add(
        "--real_time",
        action="store_true",
        help="hand a file over no faster than it was spoken",
    )
    add("--quiet", action="store_true", help="final texts only")
    return parser


def recognise(args: argparse.Namespace) -> None:
    """Do it."""
    if not args.block_ms > 0:
        raise UserError(f"--block_ms {args.block_ms}: must be above 0")
    if args.num_threads < 1:
        raise UserError(f"--num_threads {args.num_threads}: must be at least 1")
    for name in args.audio:
        if name != "-" and not Path(name).is_file():
            raise UserError(f"{name} is missing: give a sound file, or - for stdin")
    # Here, because torch and ESPnet take many seconds to import.
    import torch

    from espnet_plugin.dual_mode.load import load_recogniser

    torch.set_num_threads(args.num_threads)
    recogniser = load_recogniser(args.model_dir, args.chunk_frames)
    rate = recogniser.sample_rate
    block = max(1, round(rate * args.block_ms / 1000))
    for name in args.audio:
        recogniser.reset()
        if name == "-":
            blocks = _from_stream(sys.stdin.buffer, block)
        else:
            blocks = _from_file(name, block, rate)
        _one(recogniser, blocks, args)


def _one(recogniser, blocks: Iterator[np.ndarray], args) -> None:
    begun, spoken, shown = time.monotonic(), 0.0, ""
    for samples in blocks:
        spoken += len(samples) / recogniser.sample_rate
        if args.real_time:
            time.sleep(max(0.0, begun + spoken - time.monotonic()))
        text = recogniser.accept(samples).text
        if text != shown and not args.quiet:
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
    import soundfile

    try:
        sound = soundfile.SoundFile(name)
    except (RuntimeError, TypeError) as error:
        raise UserError(f"{name} cannot be read: {error}") from error
    with sound:
        if sound.samplerate != rate or sound.channels != 1:
            raise UserError(
                f"{name} has {sound.samplerate} Hz and {sound.channels} channel(s); "
                f"the model takes {rate} Hz and one channel: convert it, e.g. sox "
                f"{name} -r {rate} -c 1 converted.wav"
            )
        yield from sound.blocks(block, dtype="float32")


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: recognise(args))


if __name__ == "__main__":
    sys.exit(main())
