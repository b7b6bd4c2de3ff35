"""Kill each stage of a small recipe at random moments, run it again, compare results.

A recipe of noise and the smallest models is made, once without any kill. Then every
stage is started on what the stages before it left and ended by a signal at a random
moment of its time, as often as asked for, until it is let run to its end. What it
leaves has to be what the undisturbed stage left: weights, tokens, statistics, texts,
scores and tables; times and logs are not compared.

    python benchmarks/kills.py --stages 2 3 4 5 6 7 --kills 20 --signal KILL

It prints a row for each stage: kills that hit a running stage, its seconds, and the
files that differ.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

ROOT = Path(__file__).parents[1]
RECIPE = ["--reference_config", "conf/tiny_reference.yaml"]
RECIPE += ["--encrl_config", "conf/tiny_encrl.yaml"]
RECIPE += ["--finetune_config", "conf/tiny_ctc.yaml"]
RECIPE += ["--baseline_training", "conf/tiny_ctc.yaml", "--sizes", "2 1"]
RATE = 16000
# What holds seconds, addresses of a process or ESPnet's own state.
NOT_COMPARED = {
    "cost.json",
    "rtf.json",
    "checkpoint.pth",
    "checkpoint.previous.pth",
    "done.json",
    "request.json",
    "config.yaml",
    ".digests",
    ".lock",
}
SUFFIXES = {".pth", ".npz", ".txt", ".json", ".npy", ".flac", ""}


def make_recipe(folder: Path) -> Path:
    """Make a recipe of noise and return its folder."""
    recipe = folder / "my" / "encrl1"
    setup = ROOT / "egs2/TEMPLATE/encrl1/setup.sh"
    subprocess.run([setup, recipe], check=True, capture_output=True)
    rng = np.random.default_rng(0)
    (recipe / "wav").mkdir()
    for name, count in (("train", 24), ("dev", 6), ("test", 6)):
        tables: dict[str, list[str]] = {"wav.scp": [], "text": [], "utt2spk": []}
        for number in range(count):
            utt = f"{name}{number:02d}"
            samples = 0.1 * rng.standard_normal(2 * RATE + 800 * number)
            soundfile.write(recipe / f"wav/{utt}.wav", samples, RATE)
            words = " ".join(rng.choice("ONE TWO THREE FOUR FIVE SIX".split(), 3))
            tables["wav.scp"].append(f"{utt} wav/{utt}.wav")
            tables["text"].append(f"{utt} {words}")
            tables["utt2spk"].append(f"{utt} s")
        for table, lines in tables.items():
            path = recipe / "data" / name / table
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines))
    return recipe


def start(recipe: Path, stage: int) -> subprocess.Popen:
    """Start a stage in a process group of its own."""
    with open(recipe / f"log.{stage}", "ab") as log:
        return subprocess.Popen(
            ["./run.sh", "--stage", f"{stage}", "--stop_stage", f"{stage}", *RECIPE],
            cwd=recipe,
            env={**os.environ, "VENV": sys.prefix, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def digest(path: Path) -> str:
    """Return a digest of a file; of a checkpoint that of its tensors."""
    if path.suffix == ".npz":
        arrays = np.load(path)
        content = b"".join(name.encode() + arrays[name].tobytes() for name in arrays)
    elif path.suffix == ".pth":
        state = torch.load(path, map_location="cpu", weights_only=True)
        content = b"".join(
            name.encode() + value.numpy().tobytes()
            for name, value in sorted(state.items())
            if torch.is_tensor(value)
        )
    elif path.name == "meta.json":
        content = json.dumps(json.loads(path.read_text()), sort_keys=True).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def results(recipe: Path) -> dict[str, str]:
    """Return a digest of everything that a stage may have left, by its path."""
    found = {}
    for top in ("data", "dump", "exp"):
        for path in sorted((recipe / top).rglob("*")):
            name = path.relative_to(recipe).as_posix()
            if not path.is_file() or path.is_symlink() or "log" in name:
                continue
            if path.name in NOT_COMPARED or path.suffix not in SUFFIXES:
                continue
            found[name] = digest(path)
    return found


def kill_stage(
    recipe: Path, stage: int, kills: int, seconds: float, number: int, rng
) -> int:
    """Start and kill a stage ``kills`` times, then let it end; return the hits."""
    hits = 0
    for _ in range(kills):
        process = start(recipe, stage)
        try:
            process.wait(rng.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, number)
            hits += 1
        process.wait()
    process = start(recipe, stage)
    if process.wait() != 0:
        log = (recipe / f"log.{stage}").read_text().splitlines()[-5:]
        raise SystemExit("\n".join([f"stage {stage} does not go on:", *log]))
    return hits


def differing(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return the paths that are missing, too many or of other content."""
    return sorted(
        name for name in {**wanted, **found} if wanted.get(name) != found.get(name)
    )


def main() -> int:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, nargs="+", default=[2, 3, 4, 5, 6, 7])
    parser.add_argument("--kills", type=int, default=20, help="of each stage")
    parser.add_argument("--rounds", type=int, default=1, help="of each stage, anew")
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    number, rng = signal.Signals[f"SIG{args.signal}"], random.Random(args.seed)
    wrong = 0
    print("| stage | seconds | kills | that hit | files compared | differ |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="kills_") as scratch:
        recipe = make_recipe(Path(scratch))
        before, kept = Path(scratch) / "before", Path(scratch) / "after"
        for stage in range(2, max(args.stages) + 1):
            shutil.rmtree(before, ignore_errors=True)
            shutil.copytree(recipe, before, symlinks=True)
            began = time.monotonic()
            if start(recipe, stage).wait() != 0:
                raise SystemExit((recipe / f"log.{stage}").read_text()[-2000:])
            seconds = time.monotonic() - began
            if stage not in args.stages:
                continue
            wanted = results(recipe)
            # The same place, because paths stand in the files.
            shutil.rmtree(kept, ignore_errors=True)
            recipe.rename(kept)
            hits, bad = 0, []
            for _ in range(args.rounds):
                shutil.copytree(before, recipe, symlinks=True)
                hits += kill_stage(recipe, stage, args.kills, seconds, number, rng)
                bad += differing(wanted, results(recipe))
                shutil.rmtree(recipe)
            kept.rename(recipe)
            wrong += len(bad)
            print(
                f"| {stage} | {seconds:.0f} | {args.kills * args.rounds} | {hits} | "
                f"{len(wanted)} | {', '.join(bad) or 0} |",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
