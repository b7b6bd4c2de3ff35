"""Which frames of a padded batch are valid, and means over them."""

import torch

from espnet_plugin.tensors.ranks import sum_over_ranks

__all__ = ["frame_mask", "mean_over_frames", "pool_frames"]


def frame_mask(lengths: torch.Tensor, num_frames: int) -> torch.Tensor:
    """Return ``(batch, num_frames)``, True on the valid frames."""
    return torch.arange(num_frames, device=lengths.device)[None] < lengths[:, None]


def pool_frames(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the mean of each utterance's valid frames.

    Args:
        frames: ``(batch, frames, dim)``.
        lengths: ``(batch,)``.

    Returns:
        ``(batch, dim)``.
    """
    mask = frame_mask(lengths, frames.size(1))[..., None]
    # Not a product: padding may hold NaN, and 0 x NaN is NaN.
    total = torch.where(mask, frames, frames.new_zeros(())).sum(1)
    return total / lengths.clamp(min=1)[:, None].to(frames.dtype)


def mean_over_frames(
    values: torch.Tensor, weights: torch.Tensor, across_ranks: bool = True
) -> torch.Tensor:
    """Return the weighted mean over the frames of the batch.

    With several ranks it is the mean over the joined batch, in the form that ESPnet's
    trainer expects: it averages the ranks' losses by their numbers of utterances, so
    each rank's share is scaled to make that average exact.

    Args:
        values: One value a frame, ``(batch, frames)``.
        weights: Weight of each frame, 0 on padding, ``(batch, frames)``.
        across_ranks: Join the ranks' batches.
    """
    total = torch.where(weights > 0, values * weights, values.new_zeros(())).sum()
    count = weights.sum().to(values.dtype)
    if not across_ranks:
        return total / count.clamp(min=1e-8)
    batch = values.new_tensor(float(len(values)))
    counts = sum_over_ranks(torch.stack([count, batch]))
    return total / counts[0].clamp(min=1e-8) * counts[1] / batch
