"""Encoders that compute in a lower precision."""

import torch

__all__ = ["run_in"]


def run_in(dtype: torch.dtype, encoder: torch.nn.Module) -> None:
    """Let an encoder compute in a lower precision and return single precision.

    Weights, their gradients and their updates stay in single precision, and so does
    what is written into checkpoints. Not the whole of ``model.encode``: on a CPU
    autocast would reach the log-mel features as well, which ESPnet keeps out of it on a
    GPU.

    Args:
        dtype: Type of the encoder's products (``torch.autocast``).
        encoder: Encoder of an ESPnet model; its ``forward`` is replaced.
    """
    forward = encoder.forward

    def lower(features: torch.Tensor, *args, **others):
        with torch.autocast(features.device.type, dtype):
            output, *rest = forward(features, *args, **others)
        if isinstance(output, tuple):  # with intermediate CTC
            output, exits = output
            exits = [(layer, hidden.float()) for layer, hidden in exits]
            return ((output.float(), exits), *rest)
        return (output.float(), *rest)

    encoder.forward = lower
