"""Count the parameters of a model."""

import torch

__all__ = ["count_nonzero", "count_parameters"]


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    """Count the parameters, in total and by part of the model.

    Returns:
        ``total``, and the number in each child module with parameters, e.g. ``encoder``
        and ``ctc``. Buffers (e.g. statistics) are not counted.
    """
    counts = {"total": sum(item.numel() for item in model.parameters())}
    for name, child in model.named_children():
        size = sum(item.numel() for item in child.parameters())
        if size:
            counts[name] = size
    return counts


def count_nonzero(model: torch.nn.Module) -> int:
    """Count the parameters that are not exactly zero."""
    return sum(int(torch.count_nonzero(item)) for item in model.parameters())
