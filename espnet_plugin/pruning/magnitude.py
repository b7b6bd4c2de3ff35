"""Unstructured magnitude pruning: the smallest weights become zero."""

from typing import Mapping, Sequence

import torch
from torch import nn
from torch.nn.utils import prune

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.schedule import cubic_sparsity

__all__ = ["MagnitudePruner", "prune_once"]

_ORIGINAL, _MASK = "_orig", "_mask"


def prune_once(
    modules: Sequence[tuple[str, nn.Module]], share: float, per_tensor: bool = True
) -> None:
    """Set the smallest weights to zero, for good and without training.

    Args:
        modules: Modules with a ``weight``; changed in place.
        share: Share of their weights that becomes zero, 0 to 1.
        per_tensor: Whether the same share of every tensor becomes zero, as in the EncRL
            paper's code; else the smallest weights of all tensors together.

    Raises:
        UserError: If ``share`` is not below 1.
    """
    if not 0.0 <= share < 1.0:
        raise UserError(f"share to prune {share}: must be at least 0 and below 1")
    weights = [(module, "weight") for _, module in modules]
    if per_tensor:
        for module, name in weights:
            prune.l1_unstructured(module, name, amount=share)
    else:
        prune.global_unstructured(weights, prune.L1Unstructured, amount=share)
    for module, name in weights:
        prune.remove(module, name)


class MagnitudePruner:
    """Prunes more and more of the smallest weights while the rest is trained.

    The masks are those of ``torch.nn.utils.prune``: every pruned layer has
    ``weight_orig`` and ``weight_mask`` in its state, and a weight once pruned stays so.

    - [0] To prune, or not to prune, 2017, https://arxiv.org/abs/1710.01878

    Args:
        modules: ``(name, module)`` to prune; see
            :func:`espnet_plugin.pruning.select.prunable_modules`. Masks are installed.
        sparsity: Share of all their weights that is zero in the end.
        begin: Progress at which pruning begins.
        end: Progress from which on the masks stay as they are; below 1.
        every: Updates between two prunings.
    """

    def __init__(
        self,
        modules: Sequence[tuple[str, nn.Module]],
        sparsity: float,
        begin: float = 0.0,
        end: float = 0.6,
        every: int = 20,
    ):
        cubic_sparsity(0.0, sparsity, begin, end)  # refuses bad numbers now
        if end >= 1.0:
            raise UserError(
                f"end {end}: must be below 1, so that the masks are final before the "
                "training ends; 0.6 leaves the model time to adapt"
            )
        if every < 1:
            raise UserError(f"every {every}: must be at least 1 update")
        self._weights = [(module, "weight") for _, module in modules]
        self._target, self._begin, self._end = sparsity, begin, end
        self._every = every
        self._total = sum(module.weight.numel() for module, _ in self._weights)
        for module, name in self._weights:
            prune.identity(module, name)

    def step(self, update: int, updates: int) -> None:
        """Prune, if it is time, before an update.

        Args:
            update: Updates made so far.
            updates: Updates in all.
        """
        progress = update / updates
        if update % self._every and progress < self._end:
            return
        wanted = cubic_sparsity(progress, self._target, self._begin, self._end)
        more = round(wanted * self._total) - self._zeros()
        if more > 0:
            prune.global_unstructured(self._weights, prune.L1Unstructured, amount=more)
            self._forget_older_masks()

    def _forget_older_masks(self) -> None:
        """Leave each layer its newest mask: torch keeps that of every pruning.

        The newest holds all the older ones; over a training they would take many
        times the model's memory.
        """
        for module, _ in self._weights:
            for hook in module._forward_pre_hooks.values():
                if isinstance(hook, prune.PruningContainer):
                    hook._pruning_methods = hook._pruning_methods[-1:]

    def penalty(self) -> None:
        """Nothing is added to the loss."""
        return None

    @property
    def final(self) -> bool:
        """Whether the target is reached and the masks stay as they are."""
        return self._zeros() >= round(self._target * self._total)

    @property
    def sparsity(self) -> float:
        """Share of the weights that is masked now."""
        return self._zeros() / self._total

    def _zeros(self) -> int:
        return sum(
            int((getattr(module, name + _MASK) == 0).sum())
            for module, name in self._weights
        )

    @staticmethod
    def plain_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return a state dict with the masks multiplied in, under the dense names."""
        plain = {}
        for name, value in state.items():
            if name.endswith("weight" + _ORIGINAL):
                dense = name[: -len(_ORIGINAL)]
                plain[dense] = value * state[dense + _MASK]
            elif not name.endswith("weight" + _MASK):
                plain[name] = value
        return plain
