#!/usr/bin/env python3
"""One streaming chunk: the exported graph against torch's ``stream()``.

    python benchmarks/streaming_export.py --rounds 40

Random weights; by default the dual-mode encoder of conf/dualmode/train.yaml, dense and
pruned at --sparsity. All cases take turns in one process, so that other work on the
machine affects all alike, and ratios are taken within a round; one thread, features in
and log-probabilities out on both sides, the left context full. Needs onnx and
onnxruntime.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Callable

import torch
from random_encoder import add_size_options, random_encoder
from torch import nn

from espnet_plugin.dual_mode.extract import extract_streaming
from espnet_plugin.dual_mode.streaming import initial_state
from espnet_plugin.export.facts import DEFAULT_FRONT_END, ModelFacts
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.streaming.chunk_graph import ChunkGraph
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.write import write_graph


def build(args: argparse.Namespace, *, dense: bool) -> StreamingSource:
    """Make an encoder as it is cut out for a device, and its output layer."""
    encoder = random_encoder(args, args.sparsity)
    if dense:
        encoder.pruner.set_sparsity(0.0)
    small = extract_streaming(encoder)
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
    add_size_options(parser)
    # As in conf/dualmode/train.yaml.
    parser.set_defaults(layers=4, width=96, units=384, front=48, bins=40)
    add("--tokens", type=int, default=31)
    add("--sparsity", type=float, default=0.5)
    add("--chunks", type=int, default=20, help="timed in a row")
    add("--rounds", type=int, default=40)
    return parser


def main() -> None:
    """Measure, and print one line of JSON."""
    args = get_parser().parse_args()
    torch.set_num_threads(1)
    sources = {"dense": build(args, dense=True), "sparse": build(args, dense=False)}
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
