"""The mean of several checkpoints."""

from typing import Mapping, Sequence

import torch

__all__ = ["average_states"]


def average_states(
    states: Sequence[Mapping[str, torch.Tensor]],
) -> dict[str, torch.Tensor]:
    """Return the mean of each tensor; integers (counts) are those of the last state.

    Args:
        states: Tensors of one model after several epochs, in order; at least one.
    """
    average = dict(states[-1])
    for name, value in average.items():
        if value.is_floating_point():
            stacked = torch.stack([state[name].double() for state in states])
            average[name] = stacked.mean(0).to(value)
    return average
