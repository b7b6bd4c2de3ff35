#!/usr/bin/env python3
"""Memory and time of stages 2, 3 and 7 by the number of utterances.

    python benchmarks/many_utterances.py --folder /tmp/many --counts 10000 30000 100000

Utterances of 0.7 seconds, links to a hundred files of noise. For each count there is a
recipe with that many training utterances (stages 2 and 3), and a trained one with that
many test utterances (stages 2 and 7; ``tiny_recipe.py`` has the smallest models).
It prints seconds by the clock and of the processor, and the peak resident memory of the
stage's largest process. Finished counts are in FOLDER/many.jsonl.
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from tiny_recipe import RATE, WORDS, make_recipe, start

# Few enough letters for 0.6 seconds; all those of the other sets.
TEXTS = [f"{one} {two}" for one in WORDS for two in ("SIX", "ONE")]


def fill(data: Path, wavs: Path, count: int) -> None:
    """Replace a Kaldi folder by one of ``count`` utterances."""
    rng = np.random.default_rng(0)
    wavs.mkdir(parents=True, exist_ok=True)
    files = []
    for n in range(100):
        files.append(wavs / f"{n}.wav")
        if not files[-1].exists():
            length = int(rng.uniform(0.6, 0.8) * RATE)
            soundfile.write(files[-1], 0.1 * rng.standard_normal(length), RATE)
    links = data.parent.parent / f"links_{data.name}"
    shutil.rmtree(data)
    shutil.rmtree(links, ignore_errors=True)
    data.mkdir()
    with (
        open(data / "wav.scp", "w") as wav,
        open(data / "text", "w") as text,
        open(data / "utt2spk", "w") as speakers,
    ):
        for n in range(count):
            speaker = f"{data.name}{n // 1000:04d}"
            utt = f"{speaker}-{n:07d}"
            (links / speaker).mkdir(parents=True, exist_ok=True)
            path = links / speaker / f"{n}.wav"
            os.symlink(files[n % 100], path)
            wav.write(f"{utt} {path}\n")
            text.write(f"{utt} {TEXTS[n % len(TEXTS)]}\n")
            speakers.write(f"{utt} {speaker}\n")


def measured(recipe: Path, stage: int, log: Path, *options: str) -> dict:
    """Run a stage; return what it took.

    Raises:
        SystemExit: If it failed.
    """
    begun = time.monotonic()
    process = start(recipe, stage, log, None, *options)
    _, status, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"stage {stage} ended with {process.returncode}: see {log}")
    return {
        "stage": stage,
        "seconds": round(time.monotonic() - begun, 1),
        "processor": round(use.ru_utime + use.ru_stime, 1),
        "peak_mb": round(use.ru_maxrss / 1e3),
    }


def trained(folder: Path) -> Path:
    """Return a recipe after stage 6."""
    recipe, log = folder / "trained/tiny/encrl1", folder / "trained.log"
    if not recipe.exists():
        make_recipe(folder / "trained")
    for stage in range(2, 7):
        measured(recipe, stage, log)
    return recipe


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/many"))
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[10_000, 30_000, 100_000]
    )
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "many.jsonl"
    lines = noted.read_text().splitlines() if noted.exists() else []
    done = {(one["set"], one["count"]) for one in map(json.loads, lines)}
    for count in args.counts:
        for name, stages in (("train", (2, 3)), ("test", (2, 7))):
            if (name, count) in done:
                continue
            if name == "train":
                shutil.rmtree(folder / f"{count}", ignore_errors=True)
                recipe = make_recipe(folder / f"{count}")
            else:
                recipe = trained(folder)
            fill(recipe / "data" / name, folder / "wavs", count)
            log = folder / f"{name}_{count}.log"
            for stage in stages:
                one = {"set": name, "count": count}
                one |= measured(recipe, stage, log, "--nj", "1")
                with noted.open("a") as stream:
                    stream.write(json.dumps(one) + "\n")
                print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main()
