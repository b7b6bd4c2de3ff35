"""Wall-clock time of three models by EncRL against the same three from scratch.

Each route is what AN4's recipe runs, one process for each stage, one after the other on
the same machine: EncRL (the reference's outputs stored, an epoch of all sizes in one
step, four of fine-tuning together, four more of the smallest alone) and from scratch
(nine epochs a size). Then the same for the largest size alone. The audio is noise in
utterances of AN4's lengths, the weights of the reference are random: only time is
measured here. Run it on a machine that does nothing else:

    python benchmarks/family.py --rounds 5

It prints one JSON object: minutes of each route and each ratio (median, lowest,
highest), of the trainings alone and with the starts of their processes. Starts weigh
more here than with more audio.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from data_size import spread, write_corpus
from ddp import RATE, ROOT, write_reference

from espnet_plugin.files import read_json

CONF = ROOT / "conf"


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--reference", type=Path, default=CONF / "train_reference.yaml")
    add("--tokens", type=int, default=31, help="size of the vocabulary")
    add("--sizes", type=int, nargs="+", default=[6, 4, 2], help="encoder layers")
    add("--minutes", type=float, default=20.0, help="of audio")
    add("--encrl_epochs", type=int, default=1)
    add("--finetune_epochs", type=int, default=4)
    add("--alone", default="2:4", help="--finetune_alone of the recipe")
    add("--scratch_epochs", type=int, default=9)
    add("--rounds", type=int, default=5)
    return parser


def write_text(folder: Path) -> None:
    """Write transcripts of eight tokens a second, as in AN4, beside the audio."""
    generator = np.random.default_rng(1)
    lines = []
    for line in (folder / "utt2num_samples").read_text().splitlines():
        name, samples = line.split()
        count = max(1, int(int(samples) / RATE * 8))
        words = "".join(generator.choice(list("abcdefghijklmnop"), count))
        lines.append(f"{name} {words}\n")
    (folder / "text").write_text("".join(lines))


class Routes:
    """The trainings, each a command as the recipe gives it."""

    def __init__(self, args: argparse.Namespace, folder: Path):
        self.args, self.folder, self.exp = args, folder, folder / "exp"
        self.speech = self._data("speech", "wav.scp", "sound")
        text = self._data("text", "text", "text")
        self.data = [*self.speech, *text, "--ngpu", "0"]
        self.model = [
            *("--reference_config", str(folder / "config.yaml")),
            *("--reference_model_file", str(folder / "model.pth")),
        ]

    def _data(self, name: str, file: str, kind: str) -> list[str]:
        options = []
        for part, folder in ("train", "train"), ("valid", "dev"):
            data = self.folder / folder
            options += [f"--{part}_data_path_and_name_and_type"]
            options += [f"{data / file},{name},{kind}"]
            if name == "speech":
                options += [f"--{part}_shape_file", f"{data}/utt2num_samples"]
        return options

    def run(self, module: str, *options) -> float:
        """Run a stage; return its seconds."""
        cmd = [sys.executable, "-m", f"espnet_plugin.bin.{module}", *map(str, options)]
        start = time.perf_counter()
        result = subprocess.run(cmd, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(result.stderr[-3000:])
        return time.perf_counter() - start

    def encrl(self, *sizes: int) -> float:
        """EncRL and fine-tuning of one size, or of several in the same step."""
        args, frozen = self.args, ("--freeze_param", "encoder.embed")
        exits = ["--student_exits", *sizes[1:]] if len(sizes) > 1 else []
        seconds = self.run(
            "encrl_train",
            *(
                "--config",
                CONF / "train_encrl.yaml",
                "--output_dir",
                self.exp / "encrl",
            ),
            *("--serves", *sizes, "--student_num_layers", sizes[0], *exits),
            *("--student_init", "spaced", "--max_epoch", args.encrl_epochs, *frozen),
            *("--teacher_cache", self.exp / "cache", *self.model, *self.data),
        )
        kind = ["--kind", "finetune"]
        if len(sizes) > 1:
            kind = ["--kind", "together", "--alone", *args.alone.split()]
        return seconds + self.run(
            "train_models",
            *kind,
            *(
                "--config",
                CONF / "finetune_ctc.yaml",
                "--encrl_dir",
                self.exp / "encrl",
            ),
            *("--sizes", *sizes, "--family", "first", "--output", self.exp / "asr"),
            *("--max_epoch", args.finetune_epochs, *frozen, *self.data),
        )

    def scratch(self, *sizes: int) -> float:
        """The same sizes from scratch."""
        return self.run(
            "baselines",
            *("--baselines", CONF / "baselines/scratch_longer.yaml", *self.model),
            *("--sizes", *sizes, "--max_epoch", self.args.scratch_epochs),
            *("--exp_dir", self.exp, *self.data),
        )

    def measure(self, route: str, *sizes: int) -> dict[str, float]:
        """Do a route once; return its minutes with and without the starts."""
        shutil.rmtree(self.exp, ignore_errors=True)
        self.exp.mkdir()
        whole = getattr(self, route)(*sizes)
        trained = sum(
            read_json(path)["train_seconds"] for path in self.exp.glob("*/cost.json")
        )
        return {"training": trained / 60, "whole": whole / 60}


def main(cmd=None) -> int:
    """Measure, and print the figures."""
    args = get_parser().parse_args(cmd)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    largest = max(args.sizes)
    cases = {
        "encrl_family": ("encrl", *args.sizes),
        "scratch_family": ("scratch", *args.sizes),
        "encrl_one": ("encrl", largest),
        "scratch_one": ("scratch", largest),
    }
    rounds = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_reference(args, folder)
        for name, minutes in ("train", args.minutes), ("dev", 0.2):
            write_corpus(folder / name, minutes)
            write_text(folder / name)
        routes = Routes(args, folder)
        for number in range(args.rounds):
            rounds.append({name: routes.measure(*case) for name, case in cases.items()})
            # With its figures: an interrupted run shall not lose them.
            done = f"round {number + 1} of {args.rounds}"
            print(f"{done}: {json.dumps(rounds[-1])}", file=sys.stderr, flush=True)
    figures = {"options": {k: str(v) for k, v in vars(args).items()}}
    for kind in "training", "whole":
        minutes = {name: [one[name][kind] for one in rounds] for name in cases}
        figures[kind] = {
            **{name: spread(values) for name, values in minutes.items()},
            **{
                f"ratio_{which}": spread(
                    [
                        own / other
                        for own, other in zip(
                            minutes[f"encrl_{which}"], minutes[f"scratch_{which}"]
                        )
                    ]
                )
                for which in ("family", "one")
            },
        }
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
