"""Memory and time of the data doctor for a given number of lines.

    python benchmarks/check_data.py --lines 1000000 --folder /tmp/million

Makes a Kaldi folder of links to a hundred short files of noise, checks it in a process
of its own, and prints seconds and peak memory (of that process and its children, by
resource.getrusage; with --nj 1 there are none).
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

WORDS = [f"WORD{n}" for n in range(5000)]


def make(folder: Path, lines: int, seconds: float) -> None:
    """Write the folder."""
    rng = np.random.default_rng(0)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wav").mkdir(parents=True)
    for n in range(100):
        length = int(16000 * seconds * rng.uniform(0.7, 1.3))
        soundfile.write(
            folder / f"wav/{n}.wav", 0.1 * rng.standard_normal(length), 16000
        )
    data = folder / "train"
    data.mkdir()
    texts = [" ".join(rng.choice(WORDS, 8)) for _ in range(1009)]
    with (
        open(data / "wav.scp", "w") as wav,
        open(data / "text", "w") as text,
        open(data / "utt2spk", "w") as speakers,
    ):
        for n in range(lines):
            utt = f"speaker{n // 1000:05d}-utterance{n:08d}"
            if n % 1000 == 0:
                (folder / f"links/{n // 1000}").mkdir(parents=True)
            path = folder / f"links/{n // 1000}/{n}.wav"
            os.symlink(folder / f"wav/{n % 100}.wav", path)
            wav.write(f"{utt} {path}\n")
            text.write(f"{utt} {texts[n % 1009]} {WORDS[n // 1009 % 5000]}\n")
            speakers.write(f"{utt} speaker{n // 1000:05d}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/million"))
    parser.add_argument("--seconds", type=float, default=0.5, help="of a file")
    parser.add_argument("--options", default="", help="more of check_data's")
    args = parser.parse_args()
    folder = args.folder.resolve()
    if len(list(folder.glob("links/*"))) != -(-args.lines // 1000):
        make(folder, args.lines, args.seconds)
    command = [sys.executable, "-m", "espnet_plugin.bin.check_data", folder / "train"]
    command += ["--output_dir", folder / "out", *args.options.split()]
    begun = time.monotonic()
    done = subprocess.run(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    took = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stderr.strip().split("\n")[-1])
    print(
        f"{args.lines} lines {args.options or '(all audio decoded)'}: {took:.0f} s, "
        f"{used.ru_utime + used.ru_stime:.0f} processor seconds, "
        f"{used.ru_maxrss / 1e6:.2f} GB at most, exit status {done.returncode}"
    )


if __name__ == "__main__":
    main()
