"""Encoders that compute in a lower precision."""

import torch

__all__ = ["run_in"]


def run_in(dtype: torch.dtype, encoder: torch.nn.Module) -> None:
    """Let an encoder compute in a lower precision and return single precision.

    Weights, their gradients, their updates and checkpoints stay in single precision.
    Only the encoder is changed and not all of ``model.encode``: on a CPU, autocast
    would also affect the log-mel features, which ESPnet excludes on a GPU.

    Args:
        dtype: Type of the encoder's products (``torch.autocast``).
        encoder: Encoder of an ESPnet model. Its ``forward`` is replaced.
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
