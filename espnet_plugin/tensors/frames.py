"""Which frames of a padded batch are valid, and means over them."""

import torch

from espnet_plugin.tensors.ranks import sum_over_ranks

__all__ = ["frame_mask", "mean_over_frames", "pool_frames"]


def frame_mask(lengths: torch.Tensor, num_frames: int) -> torch.Tensor:
    """Return ``(batch, num_frames)``, True on the valid frames."""
    return torch.arange(num_frames, device=lengths.device)[None] < lengths[:, None]


def pool_frames(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the mean over each utterance's valid frames.

    Args:
        frames: Frames with padding, ``(batch, frames, dim)``.
        lengths: Numbers of valid frames, ``(batch,)``.

    Returns:
        ``(batch, dim)``.
    """
    mask = frame_mask(lengths, frames.size(1))[..., None]
    # Not multiplied by the mask: padding may hold NaN, and 0 x NaN is NaN.
    total = torch.where(mask, frames, frames.new_zeros(())).sum(1)
    return total / lengths.clamp(min=1)[:, None].to(frames.dtype)


def mean_over_frames(
    values: torch.Tensor, weights: torch.Tensor, across_ranks: bool = True
) -> torch.Tensor:
    """Return the weighted mean over the frames of the batch.

    With several ranks it is the mean over the joined batch. ESPnet's trainer averages
    the losses of the ranks, weighted by their numbers of utterances. Each rank's share
    is scaled such that this average is exact.

    Args:
        values: One value per frame, ``(batch, frames)``.
        weights: Weight of each frame, 0 on padding, ``(batch, frames)``.
        across_ranks: Whether the ranks' batches are joined.
    """
    total = torch.where(weights > 0, values * weights, values.new_zeros(())).sum()
    count = weights.sum().to(values.dtype)
    if not across_ranks:
        return total / count.clamp(min=1e-8)
    batch = values.new_tensor(float(len(values)))
    counts = sum_over_ranks(torch.stack([count, batch]))
    return total / counts[0].clamp(min=1e-8) * counts[1] / batch
