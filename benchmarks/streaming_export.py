#!/usr/bin/env python3
"""One streaming chunk: the exported graph against torch's ``stream()``.

    python benchmarks/streaming_export.py --rounds 40

Random weights; AN4's dual-mode encoder (conf/dualmode/train_an4.yaml) where nothing
else is said, dense and cut out at --sparsity. All cases take turns in one process, so
that other work on the machine meets them alike, and of each round's times the ratio is
taken; one thread, features in and log-probabilities out on both sides, the left context
full. Needs onnx and onnxruntime.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Callable

import torch
from torch import nn

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.extract import extract_streaming
from espnet_plugin.dual_mode.streaming import initial_state
from espnet_plugin.export.facts import DEFAULT_FRONT_END, ModelFacts
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.streaming.chunk_graph import ChunkGraph
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.write import write_graph


def build(args: argparse.Namespace, sparsity: float) -> StreamingSource:
    """Make an encoder as it is cut out for a device, and its output layer."""
    torch.manual_seed(0)
    encoder = DualModeConformerEncoder(
        args.bins,
        output_size=args.width,
        attention_heads=args.heads,
        linear_units=args.units,
        num_blocks=args.layers,
        macaron_style=True,
        cnn_module_kernel=15,
        front_channels=None if args.front is None else [args.front] * 2,
        chunk_frames=args.chunk_frames,
        left_context_frames=args.left_context_frames,
        look_ahead_frames=args.look_ahead_frames,
        pruning={"granularity": args.granularity, "sparsity": args.sparsity},
    )
    encoder.pruner.set_sparsity(sparsity / args.sparsity)
    small = extract_streaming(encoder.eval())
    output = nn.Linear(args.width, args.tokens)
    with small.using("streaming"):
        chunking = small.chunking()
    facts = ModelFacts(
        *("random", "none", "none", "dual_mode_conformer", args.layers, 0),
        *(DEFAULT_FRONT_END, args.bins, 16000, 160, small.embed.stride),
        *(("<blank>",) * args.tokens, 0, (), None),
    )
    return StreamingSource(None, None, small, output, chunking, facts)


def torch_case(source: StreamingSource) -> Callable[[], None]:
    """Return a call that computes the next chunk by ``stream()``."""
    encoder = source.encoder
    state = initial_state(encoder)
    frames = source.chunking.chunk * encoder.embed.stride
    features = torch.randn(1, frames, encoder.options["input_size"])

    @torch.inference_mode()
    def call() -> None:
        nonlocal state
        out, state = encoder.stream(features, state)
        source.output(out).log_softmax(-1)

    return call


def onnx_case(source: StreamingSource, path: Path) -> Callable[[], None]:
    """Return a call that computes the next chunk by the exported graph."""
    graph = ChunkGraph(source)
    example = graph.example()
    write_graph(graph, example, path, graph.inputs, graph.outputs, {})
    model = OnnxModel(path)
    feed = {name: item.numpy() for name, item in zip(graph.inputs, example)}
    names = graph.inputs[3:]

    def call() -> None:
        _, *caches = model.run(feed)
        feed.update(zip(names, caches))

    return call


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--layers", type=int, default=4)
    add("--width", type=int, default=96)
    add("--heads", type=int, default=4)
    add("--units", type=int, default=384)
    add("--front", type=int, default=48, help="channels of the front end")
    add("--bins", type=int, default=40, help="features a frame")
    add("--tokens", type=int, default=31)
    add("--granularity", nargs="+", default=["heads", "units", "channels"])
    add("--sparsity", type=float, default=0.5)
    add("--chunk_frames", type=int, default=8)
    add("--left_context_frames", type=int, default=32)
    add("--look_ahead_frames", type=int, default=2)
    add("--chunks", type=int, default=20, help="timed in a row")
    add("--rounds", type=int, default=40)
    return parser


def main() -> None:
    """Measure, and print one line of JSON."""
    args = get_parser().parse_args()
    torch.set_num_threads(1)
    sources = {"dense": build(args, 0.0), "sparse": build(args, args.sparsity)}
    with tempfile.TemporaryDirectory() as folder:
        cases = {}
        for name, source in sources.items():
            cases[f"torch_{name}"] = torch_case(source)
            cases[f"onnx_{name}"] = onnx_case(source, Path(folder) / f"{name}.onnx")
        taken: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(-2, args.rounds):
            for name, call in cases.items():
                # Of the processor: the machine may have other work.
                start = time.process_time()
                for _ in range(args.chunks):
                    call()
                if number >= 0:  # the first rounds fill caches and the left context
                    spent = time.process_time() - start
                    taken[name].append(1000.0 * spent / args.chunks)
    sizes = [sum(p.numel() for p in s.encoder.parameters()) for s in sources.values()]
    print(
        json.dumps(
            {
                "chunk_ms": {n: statistics.median(t) for n, t in taken.items()},
                "chunk_ms_least": {n: min(t) for n, t in taken.items()},
                "onnx_to_torch": ratio(taken["onnx_dense"], taken["torch_dense"]),
                "onnx_to_torch_sparse": ratio(
                    taken["onnx_sparse"], taken["torch_sparse"]
                ),
                "sparse_to_dense": ratio(taken["onnx_sparse"], taken["onnx_dense"]),
                "sparse_to_dense_torch": ratio(
                    taken["torch_sparse"], taken["torch_dense"]
                ),
                "params": sizes,
                "rounds": args.rounds,
            }
        )
    )


def ratio(first: list[float], second: list[float]) -> dict[str, float]:
    """Return the median of the rounds' ratios, its range, and that of the least."""
    each = sorted(a / b for a, b in zip(first, second))
    return {
        "median": statistics.median(each),
        "lowest": each[0],
        "highest": each[-1],
        "of_least": min(first) / min(second),
    }


if __name__ == "__main__":
    main()
