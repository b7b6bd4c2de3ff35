"""Greedy removal of the layers whose absence increases the loss least."""

from typing import Callable, Sequence

from espnet_plugin.errors import UserError

__all__ = ["greedy_layers"]


def greedy_layers(
    num_layers: int, sizes: Sequence[int], loss_of: Callable[[list[int]], float]
) -> tuple[dict[int, list[int]], list[dict]]:
    """Remove layers one by one, each time the one whose absence gives the lowest loss.

    Args:
        num_layers: Number of layers of the model.
        sizes: Numbers of layers for which the kept layers are wanted.
        loss_of: Function of the kept layers' indices (from 0, ascending) that returns
            the loss of the model with these layers.

    Returns:
        The kept layers by size, and a dictionary for each removal in order, with keys
        ``removed``, ``kept``, ``loss`` and ``losses`` (by candidate).

    Raises:
        UserError: If a size is out of range.
    """
    wrong = [size for size in sizes if not 1 <= size <= num_layers]
    if wrong or not sizes:
        raise UserError(
            f"models of {wrong or 'no'} layers cannot be made from {num_layers}: "
            f"choose 1 to {num_layers}"
        )
    kept = list(range(num_layers))
    chosen = {num_layers: list(kept)}
    history = []
    while len(kept) > min(sizes):
        losses = {i: loss_of([k for k in kept if k != i]) for i in kept}
        # A NaN must never be chosen as the smallest loss.
        removed = min(losses, key=lambda i: (losses[i] != losses[i], losses[i]))
        kept = [k for k in kept if k != removed]
        chosen[len(kept)] = list(kept)
        history.append(
            {
                "removed": removed,
                "kept": list(kept),
                "loss": losses[removed],
                "losses": {str(i): loss for i, loss in losses.items()},
            }
        )
    return {size: chosen[size] for size in sizes}, history
