"""A dual-mode encoder with random weights, and the options for its size."""

import argparse

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder

__all__ = ["add_size_options", "random_encoder"]


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """Declare the sizes; a benchmark sets defaults of its own."""
    add = parser.add_argument
    add("--layers", type=int, default=12)
    add("--width", type=int, default=256)
    add("--heads", type=int, default=4)
    add("--units", type=int, default=1024)
    add("--front", type=int, help="channels of the front end; the width by default")
    add("--bins", type=int, default=80, help="features a frame")
    add("--granularity", nargs="+", default=["heads", "units", "channels"])
    add("--chunk_frames", type=int, default=8)
    add("--left_context_frames", type=int, default=32)
    add("--look_ahead_frames", type=int, default=2)


def random_encoder(
    args: argparse.Namespace, sparsity: float
) -> DualModeConformerEncoder:
    """Make an encoder with the final masks of a sparsity, the same every time.

    Args:
        args: What :func:`add_size_options` declares.
        sparsity: Share of the groups that is masked.
    """
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
        pruning={"granularity": args.granularity, "sparsity": sparsity},
    )
    encoder.pruner.set_sparsity(1.0)
    return encoder.eval()
