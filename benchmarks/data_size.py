"""What an hour of audio costs in EncRL with 1, 2, 4 and 8 times the data.

The whole of stage 5 as a recipe runs it, a process for each amount: the reference's
outputs stored (``--teacher_cache``), then ``--epochs`` epochs of a student of six
layers. The audio is noise in utterances of AN4's lengths, the weights are random.
The amounts take turns in each round. Run it on a machine that does nothing else:

    python benchmarks/data_size.py --rounds 5

It prints one JSON object: for each amount the seconds that an hour of audio takes, an
epoch of it and the reference's part of it (median, lowest, highest), the same with the
start of the process, and the ratio to the smallest amount in the same round.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from ddp import RATE, ROOT, write_reference

from espnet_plugin.files import read_json


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--reference", type=Path, default=ROOT / "conf/train_reference.yaml")
    add("--encrl", type=Path, default=ROOT / "conf/train_encrl.yaml")
    add("--layers", type=int, default=6, help="of the student")
    add("--tokens", type=int, default=31, help="size of the vocabulary")
    add("--minutes", type=float, default=8.0, help="of audio in the smallest amount")
    add("--amounts", type=int, nargs="+", default=[1, 2, 4, 8])
    add("--epochs", type=int, default=1)
    add("--rounds", type=int, default=5)
    return parser


def write_corpus(folder: Path, minutes: float) -> None:
    """Write noise in utterances of 0.5 to 6 s, evenly spread, with its lists."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    scp, lengths, left = [], [], minutes * 60
    while left > 0:
        seconds = generator.uniform(0.5, 6.0)
        name = f"u{len(scp):06d}"
        audio = generator.normal(0, 0.1, int(seconds * RATE))
        soundfile.write(folder / f"{name}.flac", audio, RATE, subtype="PCM_16")
        scp.append(f"{name} {folder}/{name}.flac\n")
        lengths.append(f"{name} {len(audio)}\n")
        left -= seconds
    (folder / "wav.scp").write_text("".join(scp))
    (folder / "utt2num_samples").write_text("".join(lengths))


def run(folder: Path, amount: int, args: argparse.Namespace) -> dict[str, float]:
    """Do stage 5 once; return its seconds, and those for an hour of audio."""
    output = folder / "run"
    cmd = [
        *(sys.executable, "-m", "espnet_plugin.bin.encrl_train"),
        *("--config", str(args.encrl), "--output_dir", str(output)),
        *("--reference_config", str(folder / "config.yaml")),
        *("--reference_model_file", str(folder / "model.pth")),
        *("--student_num_layers", str(args.layers), "--student_init", "spaced"),
        *("--teacher_cache", str(folder / "cache"), "--max_epoch", str(args.epochs)),
        *("--ngpu", "0", "--use_matplotlib", "false"),
    ]
    for kind, name in ("train", str(amount)), ("valid", "dev"):
        data = folder / name
        cmd += [f"--{kind}_data_path_and_name_and_type"]
        cmd += [f"{data}/wav.scp,speech,sound"]
        cmd += [f"--{kind}_shape_file", f"{data}/utt2num_samples"]
    start = time.perf_counter()
    result = subprocess.run(cmd, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if result.returncode:
        raise SystemExit(result.stderr[-2000:])
    cost = read_json(output / "cost.json")
    stored = sum(one["train_seconds"] for one in cost["once"].values())
    trained = sum(one["train_seconds"] for one in cost["per_epoch"])
    for made in output, folder / "cache":
        shutil.rmtree(made)
    hours = cost["per_epoch"][0]["audio_seconds"] / 3600
    return {
        "epoch": trained / args.epochs / hours,
        "reference": stored / hours,
        "with_start": wall / hours,
        "start": wall - trained - stored - cost["valid_seconds"],
    }


def main(cmd=None) -> int:
    """Measure, and print the figures."""
    args = get_parser().parse_args(cmd)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rounds = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_reference(args, folder)
        write_corpus(folder / "dev", 0.2)
        for amount in args.amounts:
            write_corpus(folder / str(amount), amount * args.minutes)
        for number in range(args.rounds):
            rounds.append({n: run(folder, n, args) for n in args.amounts})
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    least = args.amounts[0]
    figures = {"options": {k: str(v) for k, v in vars(args).items()}}
    for amount in args.amounts:
        kinds = {
            kind: spread([one[amount][kind] for one in rounds])
            for kind in rounds[0][amount]
        }
        kinds["ratio"] = spread(
            [_work(one[amount]) / _work(one[least]) for one in rounds]
        )
        figures[f"times_{amount}"] = kinds
    print(json.dumps(figures, indent=1))
    return 0


def _work(one: dict[str, float]) -> float:
    return one["epoch"] + one["reference"]


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the lowest and the highest."""
    return {
        "median": statistics.median(values),
        "lowest": min(values),
        "highest": max(values),
    }


if __name__ == "__main__":
    raise SystemExit(main())
