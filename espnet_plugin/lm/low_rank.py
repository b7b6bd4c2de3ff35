"""Approximate a matrix by a product of two smaller ones, by singular values."""

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
    """Return matrices B and A whose product approximates a matrix W.

    By default B A has the smallest error in the Frobenius norm for its rank. With
    ``moment`` (the mean of ``x x^T`` over the layer's inputs) it has the smallest mean
    of ``|W x - B A x|^2``. With ``importance``, the singular components with the
    highest values are kept.

    - [0] G. Eckart, C. Young, "The approximation of one matrix by another of lower
      rank", 1936, https://doi.org/10.1007/BF02288367

    Args:
        weight: W, ``(outputs, inputs)``.
        rank: Rank of the product.
        moment: Second moment of the inputs, ``(inputs, inputs)``.
        importance: Importance of each singular component of W, ``(components,)``.

    Returns:
        B ``(outputs, rank)`` and A ``(rank, inputs)``, in the precision of ``weight``.
        They are balanced: each column of B has the same norm as the row of A.

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
    # The best product projects the outputs on these directions. Unlike a formula with
    # the inverse root of the moment, this also works if that is singular.
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
