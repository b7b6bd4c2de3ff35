"""Sums and joined rows over the ranks of a distributed training."""

import torch
import torch.distributed as dist

__all__ = ["gather_rows", "is_distributed", "sum_over_ranks"]


def is_distributed() -> bool:
    """Return whether several ranks train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def sum_over_ranks(values: torch.Tensor) -> torch.Tensor:
    """Return the sum over ranks, without gradient; ``values`` itself with one rank."""
    if not is_distributed():
        return values
    values = values.detach().clone()
    dist.all_reduce(values)
    return values


class _Gather(torch.autograd.Function):
    """``dist.all_gather`` with a gradient; torch's own version is deprecated."""

    @staticmethod
    def forward(ctx, rows):
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx, gradient):
        # The loss of every rank depends on this rank's rows.
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient[dist.get_rank()]


def gather_rows(rows: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Join the rows of all ranks; gradients flow back to the rank of each row.

    Ranks may hold different numbers of rows, as batches by length do.

    Args:
        rows: Rows of this rank, ``(rows, dim)``.

    Returns:
        ``(rows of all ranks, dim)`` in the order of the ranks, and the index of this
        rank's first row in it.
    """
    if not is_distributed():
        return rows, 0
    mine = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, mine)
    sizes = [int(c) for c in counts]
    # all_gather needs equal shapes, so shorter parts are padded and cut afterwards.
    padded = torch.nn.functional.pad(rows, (0, 0, 0, max(sizes) - len(rows)))
    parts = _Gather.apply(padded)
    joined = torch.cat([part[:size] for part, size in zip(parts, sizes)])
    return joined, sum(sizes[: dist.get_rank()])
