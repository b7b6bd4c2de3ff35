"""The best product of two small matrices for a large one, by singular values."""

from typing import Optional

import torch

from espnet_plugin.errors import UserError

__all__ = ["factor", "root"]


def factor(
    weight: torch.Tensor,
    rank: int,
    moment: Optional[torch.Tensor] = None,
    importance: Optional[torch.Tensor] = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return B and A whose product approximates a matrix.

    Without ``moment`` and ``importance`` B A is the best of its rank in the Frobenius
    norm. With ``moment``, the mean of ``x x^T`` over the layer's inputs, the mean of
    ``|W x - B A x|^2`` is the smallest. With ``importance`` those singular components
    are kept whose value is highest.

    - [0] G. Eckart, C. Young, "The approximation of one matrix by another of lower
      rank", 1936, https://doi.org/10.1007/BF02288367

    Args:
        weight: W, ``(outputs, inputs)``.
        rank: Rank of the product.
        moment: ``(inputs, inputs)``.
        importance: One for each singular component of W.

    Returns:
        B ``(outputs, rank)`` and A ``(rank, inputs)``, balanced: the columns of one are
        as long as the rows of the other. In the precision of ``weight``.

    Raises:
        UserError: If the rank is below 1 or above the smaller side.
    """
    if not 1 <= rank <= min(weight.shape):
        raise UserError(
            f"rank {rank} of a matrix of {weight.shape[0]} x {weight.shape[1]}: must "
            f"be from 1 to {min(weight.shape)}"
        )
    w = weight.detach().double()
    target = w if moment is None else w @ root(moment.double())
    left, _, _ = torch.linalg.svd(target, full_matrices=False)
    if importance is None:
        kept = left[:, :rank]
    else:
        kept = left[:, importance.topk(rank).indices]
    # Projecting the outputs on those directions is the best product, also for inputs
    # that never vary in some direction: the root of their moment has no inverse.
    inner, values, right = torch.linalg.svd(kept.T @ w, full_matrices=False)
    scale = values.sqrt()
    return (
        ((kept @ inner) * scale).to(weight),
        (scale[:, None] * right).to(weight),
    )


def root(moment: torch.Tensor) -> torch.Tensor:
    """Return the symmetric square root of a positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh(moment)
    return (vectors * values.clamp_min(0.0).sqrt()) @ vectors.T
