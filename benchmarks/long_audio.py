#!/usr/bin/env python3
"""Memory and time of recognition by the length of one file.

    python benchmarks/long_audio.py exp/asr_encrl_s1_4l export/onnx \\
        --minutes 10 30 60 --audio an4/an253-fash-b.wav

For each folder (an experiment's or an export's) a WAV file of each length is made by
repeating a short one, and recognised by bin.recognise in its own process. It prints
processor seconds and peak resident memory of that process, and their ratios to those of
the shortest file. A process that recognises one second is measured first, since the
libraries take most of the memory. Processor seconds depend less on what else runs than
seconds by the clock, but they do depend on it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000


@dataclass
class Use:
    """What a process took.

    Attributes:
        seconds: By the clock.
        processor: Of the processor.
        peak_mb: Resident, at most.
        letters: Of the text that it printed.
    """

    seconds: float
    processor: float
    peak_mb: float
    letters: int


def write_long(path: Path, unit: np.ndarray, seconds: float) -> None:
    """Write 16-bit samples that repeat ``unit``, a block at a time."""
    left = int(seconds * RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        while left > 0:
            file.writeframes(unit[:left].tobytes())
            left -= len(unit)


def recognised(model: Path, audio: Path, options: list[str]) -> Use:
    """Recognise a file; return what that took."""
    command = [sys.executable, "-m", "espnet_plugin.bin.recognise", model, audio]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*map(str, command), *options], env=environment, stdout=output
        )
        _, status, use = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{model}: bin.recognise ended with {process.returncode}")
        output.seek(0)
        letters = len(output.read().decode())
    return Use(
        time.monotonic() - begun,
        use.ru_utime + use.ru_stime,
        use.ru_maxrss / 1e3,
        letters,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, nargs="*", default=[10, 30, 60])
    parser.add_argument("--audio", type=Path, help="short, 16 kHz; noise if not given")
    parser.add_argument("--options", default="", help="more of bin.recognise's")
    args = parser.parse_args()
    if args.audio is None:
        unit = 3000 * np.random.default_rng(0).standard_normal(3 * RATE)
    else:
        unit, rate = soundfile.read(args.audio, dtype="int16")
        if rate != RATE or unit.ndim > 1:
            sys.exit(f"{args.audio}: {RATE} Hz and one channel are needed")
    unit = unit.astype("<i2")
    for model in args.models:
        first = None
        with tempfile.TemporaryDirectory() as folder:
            for minutes in (1 / 60, *args.minutes):
                path = Path(folder, "long.wav")
                write_long(path, unit, 60 * minutes)
                use = recognised(model, path, args.options.split())
                if minutes < 1:
                    start = use
                    said = "alone"
                else:
                    first = first or (minutes, use)
                    own = use.processor - start.processor
                    ratio = own / (first[1].processor - start.processor)
                    said = (
                        f"{own:.1f} s more of the processor than a second's "
                        f"({ratio:.2f} of that of {first[0]:g} min for "
                        f"{minutes / first[0]:.2f} of the length), "
                        f"{use.peak_mb / first[1].peak_mb:.2f} of its memory"
                    )
                print(
                    f"{model}, {minutes:g} min: {use.seconds:.0f} s, "
                    f"{use.processor:.1f} of the processor, {use.peak_mb:.0f} MB, "
                    f"{use.letters} characters; {said}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
