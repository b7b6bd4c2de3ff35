"""The schedule of pruning during training."""

from espnet_plugin.errors import UserError

__all__ = ["cubic_sparsity"]


def cubic_sparsity(
    progress: float, final: float, begin: float = 0.0, end: float = 1.0
) -> float:
    """Return the share of weights that are to be zero at a point of the training.

    - [0] To prune, or not to prune, 2017, https://arxiv.org/abs/1710.01878, Eq. 1:
      fast at first, when many weights do not matter, slower towards the end.

    Args:
        progress: Share of the updates so far, 0 to 1.
        final: Sparsity from ``end`` on, from 0 to below 1.
        begin: Progress before which nothing is pruned.
        end: Progress after which no more weights are pruned.

    Raises:
        UserError: If a number is out of range, or ``begin`` is not below ``end``.
    """
    if not 0.0 <= begin < end <= 1.0:
        raise UserError(
            f"pruning from {begin} to {end} of the updates: must be 0 <= begin < end "
            "<= 1"
        )
    if not 0.0 <= final < 1.0:
        raise UserError(f"final sparsity {final}: must be at least 0 and below 1")
    done = min(max((progress - begin) / (end - begin), 0.0), 1.0)
    return final * (1.0 - (1.0 - done) ** 3)
