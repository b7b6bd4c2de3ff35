"""Cost of a training step: alone, with a live teacher, with a cached one, for a family.

Every case is a whole step (forward, backward, update) on the same batch of noise, with
random weights, one thread. The cases take turns, so that other work on the machine
affects all of them; ratios are taken within a round. Run it on a machine that does
nothing else:

    python benchmarks/steps.py --rounds 7
    python benchmarks/steps.py --memory true        # a process for each case

It prints one JSON object: seconds of each case (median, lowest, highest), the ratios
that ``benchmarks/README.md`` is about, and the arithmetic of operations beside them.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, Optional, Sequence

import torch
from ddp import RATE, ROOT, write_reference
from espnet2.utils.types import str2bool

SIZES = (6, 4, 2)


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--reference", type=Path, default=ROOT / "conf/train_reference.yaml")
    add("--encrl", type=Path, default=ROOT / "conf/train_encrl.yaml")
    add("--tokens", type=int, default=31, help="size of the vocabulary")
    add("--batch_size", type=int, default=10, help="utterances; AN4's batches have ten")
    add("--seconds", type=float, default=2.7, help="length of an utterance")
    add("--steps", type=int, default=4, help="of each case in a round")
    add("--rounds", type=int, default=5)
    add("--memory", type=str2bool, default=False, help="memory instead of time")
    add("--case", help="of --memory, in a process of its own")
    return parser


class Cases:
    """The cases, each a function that does one step."""

    def __init__(self, args: argparse.Namespace, folder: Path):
        self.args, self.folder = args, folder
        generator = torch.Generator().manual_seed(0)
        samples = int(args.seconds * RATE)
        speech = 0.1 * torch.randn(args.batch_size, samples, generator=generator)
        count = max(1, int(args.seconds * 8))  # tokens: eight a second, as in AN4
        text = torch.randint(2, args.tokens - 1, (args.batch_size, count))
        self.names = [f"u{i}" for i in range(args.batch_size)]
        self.speech = {
            "speech": speech,
            "speech_lengths": torch.full((args.batch_size,), samples),
        }
        self.text = {"text": text, "text_lengths": torch.full((len(text),), count)}

    def extracted(self) -> Callable[[], None]:
        """As alone, of features that stage 2 has extracted (``--feats_type fbank``)."""
        frames = int(self.args.seconds * 100)
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(self.args.batch_size, frames, 40, generator=generator)
        batch = {
            "speech": features,
            "speech_lengths": torch.full((len(features),), frames),
        }
        return self.alone(more=["--input_size", "40"], batch=batch, rate=100)

    def alone(
        self,
        change: Callable = lambda model: None,
        more: Sequence[str] = (),
        batch: Optional[dict] = None,
        rate: int = RATE,
    ) -> Callable[[], None]:
        """A student trained with CTC, by ESPnet's own task."""
        from espnet_plugin.tasks.asr import CountedASRTask

        # Without the reference's intermediate CTC, whose layers it may not have.
        shallow = f"{{num_blocks: {SIZES[0]}, interctc_layer_idx: []}}"
        options = CountedASRTask.get_parser().parse_args(
            [
                *("--config", str(self.args.reference), "--encoder_conf", shallow),
                *("--model_conf", "interctc_weight=0.0"),
                *("--token_list", f"{self.folder}/tokens.txt"),
                *("--output_dir", str(self.folder), "--normalize", "utterance_mvn"),
                *more,
            ]
        )
        model = CountedASRTask.build_model(options)
        step = self._step(model, {**(batch or self.speech), **self.text}, rate)
        change(model)
        return step

    def live(self, layers: int = SIZES[0], exits=()) -> Callable[[], None]:
        """An EncRL step with the reference computed in it."""
        return self._step(self._encrl(layers, exits), self.speech)

    def half(self) -> Callable[[], None]:
        """As live, the reference in bfloat16 (``--teacher_dtype``)."""
        return self._step(
            self._encrl(SIZES[0], more=["--teacher_dtype", "bfloat16"]), self.speech
        )

    def frozen(self) -> Callable[[], None]:
        """As cached, the front end left as it is (``--freeze encoder.embed``)."""
        return self.cached(frozen=True)

    def lower(self) -> Callable[[], None]:
        """As frozen, the student in bfloat16 (``--student_dtype``)."""
        return self.cached(frozen=True, more=["--student_dtype", "bfloat16"])

    def cached(self, frozen: bool = False, more=()) -> Callable[[], None]:
        """An EncRL step that reads the reference's outputs."""
        from espnet_plugin.distill.cache import CachedTeacher, write_cache
        from espnet_plugin.distill.store import OutputStore
        from espnet_plugin.tensors.layout import lay_out_frozen

        model = self._encrl(SIZES[0], more=more)
        model.encoder.embed.requires_grad_(not frozen)
        lay_out_frozen(model)
        folder = self.folder / f"cache_{frozen}{bool(more)}"
        write_cache(
            folder,
            {},
            model.teacher,
            [(self.names, self.speech)],
            1,
            self.args.batch_size * self.args.seconds,
            1 / RATE,
            lambda *_: 0,
        )
        model.teacher = None
        model.attach_teacher(CachedTeacher(OutputStore(folder)))
        return self._step(model, self.speech)

    def family(self) -> Callable[[], None]:
        """All sizes in one step (``--family nested``), the reference computed once."""
        return self.live(SIZES[0], SIZES[1:])

    def four(self) -> Callable[[], None]:
        """As live, of the middle size."""
        return self.live(SIZES[1])

    def two(self) -> Callable[[], None]:
        """As live, of the smallest size."""
        return self.live(SIZES[2])

    def _encrl(self, layers: int, exits=(), more=()):
        from espnet_plugin.tasks.encrl import EncRLTask

        cmd = [
            *("--config", str(self.args.encrl), "--student_num_layers", str(layers)),
            *("--reference_config", f"{self.folder}/config.yaml"),
            *("--reference_model_file", f"{self.folder}/model.pth"),
            *("--output_dir", str(self.folder), *more),
        ]
        if exits:
            cmd += ["--student_exits", *map(str, exits)]
        return EncRLTask.build_model(EncRLTask.get_parser().parse_args(cmd))

    def _step(self, model, batch, rate: int = RATE) -> Callable[[], None]:
        from espnet_plugin.cost.counting import count_step

        model.seconds_per_input = 1 / rate
        flops = count_step(model, batch, self.args.batch_size, self.args.seconds)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
        model.train()

        def step() -> None:
            loss = model(**batch, utt_id=self.names)[0]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        step.flops = flops
        return step


CASES = (
    "alone",
    "extracted",
    "live",
    "half",
    "cached",
    "frozen",
    "lower",
    "family",
    "four",
    "two",
)


def measure_time(cases: Cases) -> dict:
    """Let the cases take turns; return seconds, ratios and operations."""
    steps = {name: getattr(cases, name)() for name in CASES}
    seconds = {name: [] for name in CASES}
    for number in range(cases.args.rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(cases.args.steps):
                step()
            if number:  # the first round is the warm-up
                taken = (time.perf_counter() - start) / cases.args.steps
                seconds[name].append(taken)
    flops = {name: step.flops for name, step in steps.items()}
    by_arithmetic = sum(flops["live"]) / sum(flops["alone"])
    rounds = [SimpleNamespace(**dict(zip(CASES, r))) for r in zip(*seconds.values())]
    ratios = {
        "cached : alone": [r.cached / r.alone for r in rounds],
        "alone, features extracted before : alone": [
            r.extracted / r.alone for r in rounds
        ],
        "cached, frozen front end : cached": [r.frozen / r.cached for r in rounds],
        "that, student in bfloat16 : cached, frozen front end": [
            r.lower / r.frozen for r in rounds
        ],
        "live : alone": [r.live / r.alone for r in rounds],
        "live : alone, over the arithmetic": [
            r.live / r.alone / by_arithmetic for r in rounds
        ],
        "live, reference in bfloat16 : live": [r.half / r.live for r in rounds],
        "family : three separate": [
            r.family / (r.live + r.four + r.two) for r in rounds
        ],
    }
    return {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "gflop (own, teacher's)": {
            name: [round(value / 1e9, 2) for value in pair]
            for name, pair in flops.items()
        },
        "live : alone by arithmetic": round(by_arithmetic, 3),
        "ratios": {name: spread(values) for name, values in ratios.items()},
    }


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 4),
        "lowest": round(min(values), 4),
        "highest": round(max(values), 4),
    }


def measure_memory(args: argparse.Namespace) -> dict:
    """Measure the peak of each case in a process of its own, above what it began with.

    The weights of a live teacher are part of its case: their size is printed beside it.
    """
    figures = {}
    for case in ("alone", "live", "cached"):
        cmd = [sys.executable, __file__, "--memory", "true", "--case", case]
        for name in ("batch_size", "seconds", "tokens", "reference", "encrl"):
            cmd += [f"--{name}", str(getattr(args, name))]
        result = subprocess.run(cmd, capture_output=True, text=True, check=True)
        figures[case] = json.loads(result.stdout)
    teacher = figures["live"]["teacher_mb"]
    whole = figures["alone"]["peak_mb"] + teacher
    return {**figures, "live : alone + teacher": figures["live"]["peak_mb"] / whole}


def measure_case(cases: Cases, case: str) -> dict:
    """Build one case, do two steps, return the memory that took."""
    import espnet_plugin.tasks.encrl  # noqa: F401  what it takes is no case's

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = getattr(cases, case)()
    for _ in range(2):
        step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    weights = (cases.folder / "model.pth").stat().st_size
    return {"peak_mb": (peak - before) / 1e3, "teacher_mb": weights / 1e6}


def main(cmd=None) -> int:
    """Measure, and print the figures."""
    args = get_parser().parse_args(cmd)
    torch.set_num_threads(1)
    if args.memory and args.case is None:
        print(json.dumps(measure_memory(args), indent=1))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_reference(args, folder)
        cases = Cases(args, folder)
        if args.case is not None:
            print(json.dumps(measure_case(cases, args.case)))
        else:
            print(json.dumps(measure_time(cases), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
