#!/usr/bin/env python3
"""The figures of exported models as ratios, with their goals.

    python benchmarks/device.py --json device.json
    python benchmarks/device.py --experiment exp/asr_encrl_s1_6l --rounds 20

Without --experiment, models with random weights: the demo's shape with three layers,
AN4's with three and six, and the paper's with six layers of width 256. Both sides of a
ratio take turns in one run, one thread each, the front end included; the median of the
rounds and their range are printed. Times of a network are of the processor, since the
machine may have other work; those of a process are by the clock. Audio is noise. Eight
bits are measured without the gate, which needs transcripts. Needs the plugin with
.[device], and no network.
"""

import argparse
import json
import os
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

import numpy as np
import soundfile
import streaming_export
import torch
import yaml

from espnet_plugin.export.derive import ExportOptions, export_model
from espnet_plugin.export.ports import SamplesPort
from espnet_plugin.export.quantise import quantise
from espnet_plugin.export.reference import stock_alone
from espnet_plugin.export.runtime import OnnxModel, quiet_environment
from espnet_plugin.export.source import load_source
from espnet_plugin.measure.workload import speech_like_noise

ROOT = Path(__file__).resolve().parents[1]
TOKENS = ["<blank>", "<unk>", "<space>", *string.ascii_uppercase, "<sos/eos>"]
SHAPES = {
    "demo, 3 layers": ("egs2/mini_synth/encrl1/conf/demo_reference.yaml", 3),
    "AN4, 3 layers": ("conf/train_reference.yaml", 3),
    "AN4, 6 layers": ("conf/train_reference.yaml", 6),
    "width 256, 6 layers": (
        "egs2/librispeech/encrl1/conf/paper/reference.yaml",
        6,
    ),
}
FP32 = {"1": 0.16, "10": 0.30}
INT8 = {"AN4, 6 layers": 0.28, "width 256, 6 layers": 0.45}
PARTS = ("network", "streaming", "process", "size")


@dataclass(frozen=True)
class Figure:
    """A row of the table.

    Attributes:
        what: What is compared with what.
        goal: What it was to be at most; None if nothing was said.
        median: Median of the rounds.
        lowest: Least of the rounds.
        highest: Largest of the rounds.
        times: Medians of both sides (or the only one), in ``unit``.
        unit: Of ``times``.
    """

    what: str
    goal: Optional[float]
    median: float
    lowest: float
    highest: float
    times: tuple[float, ...]
    unit: str


def build(folder: Path, name: str) -> Path:
    """Write an experiment with random weights."""
    from espnet2.tasks.asr import ASRTask

    file, layers = SHAPES[name]
    folder.mkdir(parents=True)
    options = yaml.safe_load((ROOT / file).read_text())
    options["encoder_conf"]["num_blocks"] = layers
    options["encoder_conf"].pop("interctc_layer_idx", None)
    options["model_conf"].pop("interctc_weight", None)
    mels, stats = options["frontend_conf"]["n_mels"], folder / "feats_stats.npz"
    sums = {"sum": np.full(mels, -6e3), "sum_square": np.full(mels, 45e3)}
    np.savez(stats, count=np.array(1e3), **sums)
    (folder / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    options.update(
        token_list=str(folder / "tokens.txt"),
        token_type="char",
        normalize="global_mvn",
        normalize_conf={"stats_file": str(stats)},
        output_dir=str(folder),
        ngpu=0,
    )
    (folder / "train.yaml").write_text(yaml.safe_dump(options))
    args = ASRTask.get_parser().parse_args(["--config", str(folder / "train.yaml")])
    torch.manual_seed(0)
    model = ASRTask.build_model(args)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "valid.cer_ctc.ave.pth")
    return folder


def in_turn(
    calls: Sequence[Callable[[], float]], rounds: int, warm: int = 1
) -> list[list[float]]:
    """Return what each call measured in each round."""
    taken = [[call() for call in calls] for _ in range(warm + rounds)][warm:]
    return [list(column) for column in zip(*taken)]


def compared(
    what: str,
    goal: Optional[float],
    ours: Sequence[float],
    theirs: Sequence[float],
    unit: str,
) -> Figure:
    """Return the ratio of what two sides took."""
    ratios = [one / other for one, other in zip(ours, theirs)]
    middle = statistics.median(ratios)
    times = (statistics.median(ours), statistics.median(theirs))
    return Figure(what, goal, middle, min(ratios), max(ratios), times, unit)


def processor(call: Callable[[], object], repeats: int) -> Callable[[], float]:
    """Return what measures a call's processor time in milliseconds."""

    def measured() -> float:
        start = time.process_time()
        for _ in range(repeats):
            call()
        return 1000 * (time.process_time() - start) / repeats

    return measured


def network(
    name: str, source, onnx: Path, int8: Path, args: argparse.Namespace
) -> Iterator[Figure]:
    """Compare ESPnet's model with both files."""
    port, models = SamplesPort(), [OnnxModel(onnx), OnnxModel(int8)]
    for seconds in args.seconds:
        samples = speech_like_noise(source.facts.sample_rate, seconds, 1).numpy()
        given, feed = torch.from_numpy(samples), port.feed([samples])
        repeats = max(1, int(6 / seconds))
        calls = [processor(lambda: stock_alone(source, given), repeats)]
        calls += [processor(lambda m=m: m.run(feed), 2 * repeats) for m in models]
        stock, fp32, eight = in_turn(calls, args.rounds)
        label = f"{seconds:g}"
        narrow = name != "width 256, 6 layers" and "6" not in name
        goal = FP32.get(label) if narrow else None
        yield compared(f"{name}, {label} s: fp32 : torch", goal, fp32, stock, "ms")
        goal = INT8.get(name) if label == "10" else None
        yield compared(f"{name}, {label} s: int8 : torch", goal, eight, stock, "ms")


def streaming(args: argparse.Namespace, scratch: Path) -> Iterator[Figure]:
    """Compare an exported chunk with ``stream()``, and with a sparse one."""
    options = streaming_export.get_parser().parse_args([])
    sources = [streaming_export.build(options, dense=dense) for dense in (True, False)]
    calls = []
    for number, source in enumerate(sources):
        path = scratch / f"chunk{number}.onnx"
        for call in (
            streaming_export.torch_case(source),
            streaming_export.onnx_case(source, path),
        ):
            calls.append(processor(call, options.chunks))
    stream, dense, _, sparse = in_turn(calls, args.rounds, warm=2)
    yield compared("streaming chunk: exported : stream()", 0.18, dense, stream, "ms")
    yield compared("streaming chunk: 50 % cut out : dense", 0.7, sparse, dense, "ms")


# A process's peak memory counts what its parent had when it was forked, which is torch
# here: so a small process of its own starts the command.
_LAUNCHER = """
import os, sys, time
start = time.monotonic()
child = os.fork()
if not child:
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
seconds = time.monotonic() - start
print(status, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def process(command: Sequence[str], cwd: Path) -> tuple[float, float, float]:
    """Run a command; return seconds by the clock, of the processor, and peak MB."""
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(
        launcher, capture_output=True, text=True, env=quiet_environment(), cwd=cwd
    )
    lines = done.stdout.splitlines() or [f"1 0 0 0: {done.stderr[-300:]}"]
    status, *found = lines[-1].split(" ")
    if status != "0":
        raise SystemExit(f"{' '.join(command[:4])} failed: {done.stderr[-300:]}")
    seconds, spent, memory = map(float, found)
    return seconds, spent, memory


def processes(
    experiment: Path, checkpoint: Path, export: Path, rate: int, args, scratch: Path
) -> Iterator[Figure]:
    """Compare the whole processes that recognise one file of two seconds."""
    wave = scratch / "one.wav"
    soundfile.write(wave, speech_like_noise(rate, 2.0, 1).numpy(), rate)
    (scratch / "wav.scp").write_text(f"one {wave}\n")
    stock = [sys.executable, "-m", "espnet2.bin.asr_inference", "--ngpu", "0"]
    stock += ["--data_path_and_name_and_type", f"{scratch}/wav.scp,speech,sound"]
    stock += ["--asr_train_config", str((experiment / "config.yaml").resolve())]
    stock += ["--asr_model_file", str(checkpoint.resolve()), "--ctc_weight", "1.0"]
    stock += ["--beam_size", "1", "--lm_weight", "0.0", "--output_dir"]
    ours = [sys.executable, str((export / "recognise.py").resolve()), str(wave)]
    taken = []
    for number in range(args.process_rounds):
        decoded = str(scratch / f"decoded{number}")
        taken.append((process(ours, scratch), process([*stock, decoded], scratch)))
    mine, other = [list(zip(*column)) for column in zip(*taken)]
    what = "recognise.py : asr_inference, 2 s of audio"
    yield compared(f"peak memory: {what}", 0.10, mine[2], other[2], "MB")
    yield compared(f"start to text, clock: {what}", 0.05, mine[0], other[0], "s")
    yield compared(f"start to text, processor: {what}", None, mine[1], other[1], "s")


def ratio_of_sizes(name: str, goal: Optional[float], file: Path, of: Path) -> Figure:
    """Return the ratio of two files."""
    sizes = [path.stat().st_size / 1e6 for path in (file, of)]
    ratio = sizes[0] / sizes[1]
    return Figure(name, goal, ratio, ratio, ratio, tuple(sizes), "MB")


def measure(args: argparse.Namespace, scratch: Path) -> Iterator[Figure]:
    """Yield all figures, one after the other."""
    names = [args.experiment.name] if args.experiment else args.shapes
    for number, name in enumerate(names):
        experiment = args.experiment or build(scratch / f"asr_{number}", name)
        source = load_source(experiment)
        checkpoint = experiment / source.facts.checkpoint
        folder = scratch / f"export_{number}"
        start = time.monotonic()
        export_model(experiment, ExportOptions(output_dir=folder))
        spent = time.monotonic() - start
        onnx, int8 = folder / "model.onnx", scratch / f"{number}.int8.onnx"
        quantise(onnx, int8)
        if "size" in args.parts:
            what = f"{name}: export and check, seconds after imports"
            yield Figure(what, 15.0, spent, spent, spent, (spent,), "s")
            what = f"{name}: int8 file : fp32 checkpoint"
            yield ratio_of_sizes(what, 0.32, int8, checkpoint)
            what = f"{name}: fp32 file : fp32 checkpoint"
            yield ratio_of_sizes(what, None, onnx, checkpoint)
        if "network" in args.parts:
            yield from network(name, source, onnx, int8, args)
        if "process" in args.parts and number == 0:
            rate = source.facts.sample_rate
            yield from processes(experiment, checkpoint, folder, rate, args, scratch)
    if "streaming" in args.parts:
        yield from streaming(args, scratch)


def row(figure: Figure) -> str:
    """Return a figure as a row of a table in Markdown."""
    goal = "" if figure.goal is None else f"<= {figure.goal:g}"
    missed = figure.goal is not None and figure.median > figure.goal
    times = " : ".join(f"{value:.3g}" for value in figure.times)
    note = ": not reached" if missed else ""
    return (
        f"| {figure.what} | {goal} | {figure.median:.3f} [{figure.lowest:.3f}, "
        f"{figure.highest:.3f}]{note} | {times} {figure.unit} |"
    )


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--experiment", type=Path, help="measure this one, not random weights")
    add("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--seconds", nargs="+", type=float, default=[1.0, 3.0, 10.0])
    add("--rounds", type=int, default=20)
    add("--process_rounds", type=int, default=5)
    add("--json", type=Path, help="also write the figures into this file")
    return parser


def main() -> None:
    """Measure, and print the table while it grows."""
    args = get_parser().parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    load = os.getloadavg()[0]
    print(f"load of the machine before: {load:.1f} of {os.cpu_count()} processors\n")
    print("| what | to reach | median of the rounds [lowest, highest] | medians |")
    print("|---|---|---|---|")
    figures = []
    scratch = Path(tempfile.mkdtemp())
    try:
        for figure in measure(args, scratch):
            print(row(figure), flush=True)
            figures.append(asdict(figure))
    finally:
        shutil.rmtree(scratch)
    if args.json:
        content = {"load_before": load, "rounds": args.rounds, "figures": figures}
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
