"""Which layers a model misses least: greedy removal."""

from typing import Callable, Sequence

from espnet_plugin.errors import UserError

__all__ = ["greedy_layers"]


def greedy_layers(
    num_layers: int, sizes: Sequence[int], loss_of: Callable[[list[int]], float]
) -> tuple[dict[int, list[int]], list[dict]]:
    """Remove one layer after the other, each time the one whose absence costs least.

    Args:
        num_layers: Layers of the model.
        sizes: Numbers of layers wanted.
        loss_of: Returns the loss of the model made of the layers with these indices,
            ascending.

    Returns:
        The layers kept, by size; and every removal, in order:
        ``{"removed", "kept", "loss", "losses"}``, the last by candidate.

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
        # A loss that is not a number must never look like the smallest.
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
