"""Throughput of EncRL by two processes on CPUs (gloo) against one, on the same data.

Each process has one thread and a core of its own (``--cores``). The models have random
weights and the audio is noise; what is trained is ESPnet's own loop. Run it on a
machine that does nothing else:

    python benchmarks/ddp.py --cores 0 1

It prints one JSON object: seconds of audio trained on in a second, of one and of two
processes, and their ratio; the best of ``--repeats`` epochs counts.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import yaml

ROOT = Path(__file__).parents[1]
RATE = 16000


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
    add("--batch_size", type=int, default=8, help="utterances of both processes")
    add("--seconds", type=float, default=4.0, help="length of an utterance")
    add("--steps", type=int, default=6, help="of an epoch")
    add("--repeats", type=int, default=3, help="epochs that are measured")
    return parser


def write_reference(args: argparse.Namespace, folder: Path) -> None:
    """Write a model with random weights as ESPnet's training does."""
    from espnet2.tasks.asr import ASRTask

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
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(options)))


def measure(rank: int, world: int, args: argparse.Namespace, folder: Path) -> None:
    """Train as one rank; the first writes the seconds of each epoch."""
    os.sched_setaffinity(0, {args.cores[rank]})
    torch.set_num_threads(1)
    from espnet2.train.distributed_utils import DistributedOption
    from espnet2.train.reporter import Reporter

    from espnet_plugin.tasks.encrl import EncRLTask
    from espnet_plugin.tasks.trainer import CostTrainer

    output = folder / f"world{world}"
    options = EncRLTask.get_parser().parse_args(
        [
            *("--reference_config", f"{folder}/config.yaml"),
            *("--reference_model_file", f"{folder}/model.pth"),
            *("--student_num_layers", f"{args.layers}", "--output_dir", f"{output}"),
        ]
    )
    output.mkdir(exist_ok=True)
    if world > 1:
        meeting = f"file://{folder}/meeting"
        dist.init_process_group(
            "gloo", init_method=meeting, rank=rank, world_size=world
        )
    model = EncRLTask.build_model(options)
    trained = torch.nn.parallel.DistributedDataParallel(model) if world > 1 else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    shape = (args.batch_size, int(args.seconds * RATE))
    speech = 0.1 * torch.randn(shape, generator=generator)[rank::world]
    batch = {
        "speech": speech,
        "speech_lengths": torch.full((len(speech),), shape[1]),
    }
    names = [f"{rank}-{i}" for i in range(len(speech))]
    reporter, times = Reporter(), []
    for epoch in range(1, args.repeats + 2):
        reporter.set_epoch(epoch)
        if world > 1:
            dist.barrier()
        start = time.perf_counter()
        with reporter.observe("train") as observed:
            CostTrainer.train_one_epoch(
                model=trained,
                iterator=[(names, dict(batch)) for _ in range(args.steps)],
                optimizers=[optimiser],
                schedulers=[None],
                scaler=None,
                reporter=observed,
                summary_writer=None,
                options=CostTrainer.build_options(options),
                distributed_option=DistributedOption(
                    distributed=world > 1, dist_rank=rank, dist_world_size=world
                ),
            )
        if world > 1:
            dist.barrier()
        times.append(time.perf_counter() - start)
    if rank == 0:
        # The first epoch also counts operations.
        (folder / f"times{world}.json").write_text(json.dumps(times[1:]))


def main(cmd=None) -> int:
    """Measure one process, then two, and print the figures."""
    args = get_parser().parse_args(cmd)
    if args.batch_size < 4:
        raise SystemExit(f"--batch_size {args.batch_size}: give 4 or more, two a rank")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_reference(args, folder)
        rates = {}
        for world in (1, 2):
            mp.spawn(measure, args=(world, args, folder), nprocs=world)
            times = json.loads((folder / f"times{world}.json").read_text())
            audio = args.batch_size * args.seconds * args.steps
            rates[world] = audio / min(times)
    print(
        json.dumps(
            {
                "audio_seconds_per_second": rates,
                "ratio": rates[2] / rates[1],
                "options": {k: str(v) for k, v in vars(args).items()},
            },
            indent=1,
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
