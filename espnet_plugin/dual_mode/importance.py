"""The importance of groups for the loss, to first order."""

from typing import Mapping

import torch
from torch import nn

__all__ = ["MaskGradients"]


class MaskGradients(nn.Module):
    """A running mean of the squared gradient of the loss with respect to each mask.

    If weights are multiplied by a mask of ones and zeros, the loss changes by ``dL/dm``
    to first order if a group is switched off or on. This is the sum of weight times
    gradient over the weights of the group.

    - [0] Importance Estimation for Neural Network Pruning, 2019,
      https://arxiv.org/abs/1906.10771: the square of the first-order term of a group.
    - [1] Are Sixteen Heads Really Better than One?, 2019,
      https://arxiv.org/abs/1905.10650: as a gradient by the mask.

    The values are in buffers, so that a training can be resumed. With several ranks
    they are those of the first rank, whose buffers DDP copies to the others.

    Args:
        counts: Numbers of groups by name.
        memory: Share of the mean that is kept in an update, from 0 to below 1.
    """

    def __init__(self, counts: Mapping[str, int], memory: float = 0.99):
        super().__init__()
        self._names, self._memory = tuple(counts), memory
        for name, count in counts.items():
            self.register_buffer(f"sum_{name}", torch.zeros(count))
            self.register_buffer(f"mean_{name}", torch.zeros(count))

    def watched(self, name: str, mask: torch.Tensor) -> torch.Tensor:
        """Return a mask with the same values whose gradient is added to the sum.

        Args:
            name: A key of ``counts``.
            mask: The mask, ``(count,)``.
        """
        total = getattr(self, f"sum_{name}")

        def add(gradient: torch.Tensor) -> None:
            total.add_(gradient)

        leaf = mask.detach().clone().requires_grad_()
        leaf.register_hook(add)
        return leaf

    @torch.no_grad()
    def update(self) -> None:
        """Add the sum of an update's batches, since the last call, to the mean.

        Gradients that have overflowed (in mixed precision, where the update is skipped
        as well) are ignored.
        """
        for name in self._names:
            total, mean = getattr(self, f"sum_{name}"), getattr(self, f"mean_{name}")
            if total.isfinite().all():
                mean.lerp_(total.square(), 1.0 - self._memory)
            total.zero_()

    def scores(self, name: str) -> torch.Tensor:
        """Return the running mean of a name, ``(count,)``."""
        return getattr(self, f"mean_{name}")
