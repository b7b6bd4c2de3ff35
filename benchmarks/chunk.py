#!/usr/bin/env python3
"""One streaming chunk, dense and pruned: share of weights removed and time saved.

    python benchmarks/chunk.py --rounds 5
    python benchmarks/chunk.py --layers 4 --width 96 --heads 4 --units 384 --front 48

Random weights; masks of heads, units and channels, and with --granularity also of the
front end. The dense and the pruned model take turns, so that other work on the machine
affects both; times are of one thread, seconds are of this machine.
"""

import argparse
import json
import statistics
from typing import Any

import torch
from random_encoder import add_size_options, random_encoder
from torch.utils.flop_counter import FlopCounterMode

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.extract import extract_streaming
from espnet_plugin.dual_mode.streaming import initial_state
from espnet_plugin.measure.chunk_speed import chunk_rtf


def chunk_macs(encoder: DualModeConformerEncoder) -> int:
    """Count the multiply-adds of a chunk whose left context is full."""
    state = initial_state(encoder)
    chunk, left, _ = state.chunking
    features = torch.zeros(
        1, chunk * encoder.embed.stride, encoder.options["input_size"]
    )
    with torch.no_grad():
        for _ in range(2 + -(-left // chunk)):
            _, state = encoder.stream(features, state)
        with FlopCounterMode(display=False) as counter:
            encoder.stream(features, state)
    return counter.get_total_flops() // 2


def measure(args: argparse.Namespace, sparsity: float) -> dict[str, Any]:
    """Compare the dense streaming encoder with the one cut out."""
    masked = random_encoder(args, sparsity)
    small = extract_streaming(masked)
    masked.pruner.set_sparsity(0.0)
    # Without masks it is the dense model, of streaming alone like the other.
    models = {"dense": extract_streaming(masked), "cut_out": small}
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(args.rounds):
        for name, model in models.items():
            taken[name].append(chunk_rtf(model, chunks=args.chunks)["chunk_ms"])
    sizes, macs = (
        [count(model) for model in (models["dense"], small)]
        for count in (lambda m: sum(p.numel() for p in m.parameters()), chunk_macs)
    )
    ratios = [b / a for a, b in zip(taken["dense"], taken["cut_out"])]
    return {
        "sparsity": sparsity,
        "params_removed": 1 - sizes[1] / sizes[0],
        "macs_removed": 1 - macs[1] / macs[0],
        "time_removed": 1 - statistics.median(ratios),
        "time_removed_range": [1 - max(ratios), 1 - min(ratios)],
        "params": sizes,
        "macs": macs,
        "chunk_ms": {name: statistics.median(each) for name, each in taken.items()},
    }


def main() -> None:
    """Measure and print each sparsity, a line of JSON each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_size_options(parser)
    add("--sparsity", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    add("--chunks", type=int, default=60, help="timed in a round")
    add("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for sparsity in args.sparsity:
        print(json.dumps(measure(args, sparsity)))


if __name__ == "__main__":
    main()
