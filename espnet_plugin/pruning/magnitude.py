"""Unstructured magnitude pruning: the smallest weights become zero."""

from typing import Mapping, Sequence

import torch
from torch import nn
from torch.nn.utils import prune

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.schedule import cubic_sparsity
from espnet_plugin.pruning.select import refuse_uncalled

__all__ = ["MagnitudePruner", "prune_once"]

_ORIGINAL, _MASK = "_orig", "_mask"


def prune_once(
    modules: Sequence[tuple[str, nn.Module]], share: float, per_tensor: bool = True
) -> None:
    """Set the smallest weights to zero, permanently and without training.

    Args:
        modules: ``(name, module)`` of modules with a ``weight``, changed in place.
        share: Share of their weights that becomes zero, from 0 to below 1.
        per_tensor: Whether the same share of each tensor becomes zero, as in the code
            of the EncRL paper; otherwise the smallest weights of all tensors together.

    Raises:
        UserError: If ``share`` is out of range.
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
    """Prunes more and more of the smallest weights while the others are trained.

    The masks are those of ``torch.nn.utils.prune``: every pruned layer has
    ``weight_orig`` and ``weight_mask`` in its state, and pruned weights remain pruned.

    - [0] To prune, or not to prune, 2017, https://arxiv.org/abs/1710.01878

    Args:
        modules: ``(name, module)`` of the modules to prune, in which masks are
            installed; see :func:`espnet_plugin.pruning.select.prunable_modules`.
        sparsity: Share of all their weights that is zero at the end, 0 to 1.
        begin: Share of the updates after which pruning begins.
        end: Share of the updates after which the masks are final; below 1.
        every: Number of updates between two prunings.

    Raises:
        UserError: If a number is out of range, or a module is never called.
    """

    def __init__(
        self,
        modules: Sequence[tuple[str, nn.Module]],
        sparsity: float,
        begin: float = 0.0,
        end: float = 0.6,
        every: int = 20,
    ):
        cubic_sparsity(0.0, sparsity, begin, end)  # refuses wrong numbers
        if end >= 1.0:
            raise UserError(
                f"end {end}: must be below 1, so that the masks are final before the "
                "training ends; 0.6 leaves the model time to adapt"
            )
        if every < 1:
            raise UserError(f"every {every}: must be at least 1 update")
        refuse_uncalled(modules)
        self._weights = [(module, "weight") for _, module in modules]
        self._target, self._begin, self._end = sparsity, begin, end
        self._every = every
        self._total = sum(module.weight.numel() for module, _ in self._weights)
        for module, name in self._weights:
            prune.identity(module, name)

    def step(self, update: int, updates: int) -> None:
        """Prune before an update, if it is due.

        Args:
            update: Number of updates so far.
            updates: Number of updates of the training.
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
        """Keep only the newest mask of each layer; torch keeps those of all prunings.

        The newest mask includes the older ones, which during a training would take many
        times the memory of the model.
        """
        for module, _ in self._weights:
            for hook in module._forward_pre_hooks.values():
                if isinstance(hook, prune.PruningContainer):
                    hook._pruning_methods = hook._pruning_methods[-1:]

    def penalty(self) -> None:
        """Return None: nothing is added to the loss."""
        return None

    @property
    def final(self) -> bool:
        """Whether the target is reached, so that the masks no longer change."""
        return self._zeros() >= round(self._target * self._total)

    @property
    def sparsity(self) -> float:
        """Share of the weights that are masked now, 0 to 1."""
        return self._zeros() / self._total

    def _zeros(self) -> int:
        return sum(
            int((getattr(module, name + _MASK) == 0).sum())
            for module, name in self._weights
        )

    @staticmethod
    def plain_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return a state dict of masked weights with the names of the dense model."""
        plain = {}
        for name, value in state.items():
            if name.endswith("weight" + _ORIGINAL):
                dense = name[: -len(_ORIGINAL)]
                plain[dense] = value * state[dense + _MASK]
            elif not name.endswith("weight" + _MASK):
                plain[name] = value
        return plain
