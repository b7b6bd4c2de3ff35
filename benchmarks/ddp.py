"""Throughput of EncRL by two processes on CPUs (gloo) against one.

Each process has one thread and its own core (``--cores``). The models have random
weights and the audio is noise; the loop is ESPnet's own. Run it on a machine that does
nothing else:

    python benchmarks/ddp.py --cores 0 1

It prints one JSON object: seconds of audio trained on in a second, the median of
``--repeats`` epochs with the lowest and highest, and each case's ratio to one process:

* ``split``: two ranks share the one process's batch;
* ``whole``: two ranks with as large a batch each;
* ``apart``: the same without any exchange, the most that two cores can reach;
* ``steps``: nothing exchanged, but each waits for the other after every batch;
* ``gradients``: only gradients are exchanged (with KL alone, which needs no more);
* ``clip``: CLIP's vectors too; ``whole`` also exchanges ESPnet's statistics and signal.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

ROOT = Path(__file__).parents[1]
RATE = 16000


class Case(NamedTuple):
    """How many processes, what they exchange, share of the batch each."""

    world: int
    gradients: bool = False
    clip: bool = False  # CLIP takes part, and with gradients its vectors are exchanged
    figures: bool = False  # ESPnet's own, and its signal that data remain
    wait: bool = False
    share: float = 1.0


CASES = {
    "one": Case(1, clip=True),
    "split": Case(2, gradients=True, clip=True, figures=True, share=0.5),
    "whole": Case(2, gradients=True, clip=True, figures=True),
    "apart": Case(2, clip=True),
    "steps": Case(2, clip=True, wait=True),
    "gradients": Case(2, gradients=True),
    "clip": Case(2, gradients=True, clip=True),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cores", type=int, nargs=2, default=[0, 1], help="physical ones")
    add("--reference", type=Path, default=ROOT / "conf/train_reference.yaml")
    add("--layers", type=int, default=6, help="of the student")
    add("--tokens", type=int, default=100, help="size of the vocabulary")
    add("--batch_size", type=int, default=8, help="utterances of one process")
    add("--seconds", type=float, default=4.0, help="length of an utterance")
    add("--steps", type=int, default=6, help="batches of an epoch")
    add("--repeats", type=int, default=5, help="epochs that are measured")
    return parser


def write_reference(args: argparse.Namespace, folder: Path) -> None:
    """Write a model with random weights as ESPnet's training does."""
    from espnet2.tasks.asr import ASRTask

    from espnet_plugin.yaml_files import write_yaml

    names = [f"t{i}" for i in range(args.tokens - 3)]
    tokens = folder / "tokens.txt"
    lines = ["<blank>", "<unk>", *names, "<sos/eos>"]
    tokens.write_text("".join(f"{line}\n" for line in lines))
    options = ASRTask.get_parser().parse_args(
        [
            *("--config", str(args.reference), "--output_dir", str(folder)),
            *("--token_list", str(tokens), "--normalize", "utterance_mvn"),
            *("--token_type", "char"),
        ]
    )
    model = ASRTask.build_model(options)
    torch.save(model.state_dict(), folder / "model.pth")
    write_yaml(folder / "config.yaml", vars(options))


def measure(
    rank: int, name: str, args: argparse.Namespace, folder: Path, together
) -> None:
    """Train as one rank; the first writes the seconds of each epoch."""
    case = CASES[name]
    os.sched_setaffinity(0, {args.cores[rank]})
    torch.set_num_threads(1)
    from espnet2.train.distributed_utils import DistributedOption
    from espnet2.train.reporter import Reporter

    from espnet_plugin.tasks.encrl import EncRLTask
    from espnet_plugin.tasks.trainer import CostTrainer

    output = folder / f"{name}{rank}"
    options = EncRLTask.get_parser().parse_args(
        [
            *("--reference_config", f"{folder}/config.yaml"),
            *("--reference_model_file", f"{folder}/model.pth"),
            *("--student_num_layers", f"{args.layers}", "--output_dir", f"{output}"),
            *("--config", str(ROOT / "conf/train_encrl.yaml"), "--log_interval", "100"),
            *("--objectives", *(["clip"] if case.clip else []), "kl"),
        ]
    )
    output.mkdir(exist_ok=True)
    if case.gradients:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/meeting_{name}",
            rank=rank,
            world_size=case.world,
        )
    model = EncRLTask.build_model(options)
    trained = model
    if case.gradients:
        trained = torch.nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(rank)
    shape = (int(args.batch_size * case.share), int(args.seconds * RATE))
    speech = 0.1 * torch.randn(shape, generator=generator)
    batch = {
        "speech": speech,
        "speech_lengths": torch.full((len(speech),), shape[1]),
    }
    names = [f"{rank}-{i}" for i in range(len(speech))]

    def batches():
        for _ in range(args.steps):
            yield names, dict(batch)
            if case.wait:
                together.wait()

    reporter, times = Reporter(), []
    for epoch in range(1, args.repeats + 2):
        reporter.set_epoch(epoch)
        together.wait()
        start = time.perf_counter()
        with reporter.observe("train") as observed:
            CostTrainer.train_one_epoch(
                model=trained,
                iterator=batches(),
                optimizers=[optimiser],
                schedulers=[None],
                scaler=None,
                reporter=observed,
                summary_writer=None,
                options=CostTrainer.build_options(options),
                distributed_option=DistributedOption(
                    distributed=case.figures,
                    dist_rank=rank if case.figures else None,
                    dist_world_size=case.world if case.figures else None,
                ),
            )
        together.wait()
        times.append(time.perf_counter() - start)
    if rank == 0:
        # The first epoch also counts operations.
        (folder / f"{name}.json").write_text(json.dumps(times[1:]))


def main(cmd=None) -> int:
    """Measure one process, then two, and print the figures."""
    args = get_parser().parse_args(cmd)
    if args.batch_size < 4:
        raise SystemExit(f"--batch_size {args.batch_size}: give 4 or more, two a rank")
    rates: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_reference(args, folder)
        for name, case in CASES.items():
            together = mp.get_context("spawn").Barrier(case.world)
            mp.spawn(measure, args=(name, args, folder, together), nprocs=case.world)
            batch = int(args.batch_size * case.share) * case.world
            audio = batch * args.seconds * args.steps
            times = json.loads((folder / f"{name}.json").read_text())
            each = [audio / seconds for seconds in times]
            rates[name] = {
                "median": statistics.median(each),
                "lowest": min(each),
                "highest": max(each),
            }
    one = rates["one"]["median"]
    figures = {
        "audio_seconds_per_second": rates,
        "ratios": {name: rate["median"] / one for name, rate in rates.items()},
        "options": {k: str(v) for k, v in vars(args).items()},
    }
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
