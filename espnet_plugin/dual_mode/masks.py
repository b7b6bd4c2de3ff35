"""Self-pruning: masks of a sparse network, found while the dense one is trained."""

import zlib
from contextlib import contextmanager
from typing import Iterator, Mapping, Optional, Sequence, Union

import torch
from torch import nn

from espnet_plugin.dual_mode.granularities import GRANULARITIES, find_groups
from espnet_plugin.dual_mode.groups import CRITERIA, Groups
from espnet_plugin.dual_mode.importance import MaskGradients
from espnet_plugin.errors import UserError
from espnet_plugin.pruning.schedule import cubic_sparsity

__all__ = ["SelfPruner", "keep_count", "top_mask"]

_CRITERIA = (*CRITERIA, "taylor", "random")
_SCOPES = ("layer", "global")


def keep_count(count: int, sparsity: float) -> int:
    """Return how many of ``count`` groups are kept at a sparsity: at least one."""
    return max(1, count - round(sparsity * count))


def top_mask(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """Return 1 for the ``keep`` highest scores and 0 elsewhere.

    Of equal scores, the first ones are kept.

    Args:
        scores: ``(count,)``.
        keep: Number of groups to keep.

    Returns:
        ``(count,)``.
    """
    order = scores.argsort(descending=True, stable=True)
    mask = torch.zeros(scores.shape, device=scores.device)
    mask[order[:keep]] = 1.0
    return mask


class SelfPruner(nn.Module):
    """Binary masks on the weights of a network, for its sparse pass only.

    Inside ``applied()`` every masked parameter is multiplied by its mask, so gradients
    of what is computed there reach kept weights only. Outside, the network is dense and
    all weights are trained. A masked weight therefore keeps its value and is trained in
    the dense pass, and its group may return while the masks still change.

    The masks are buffers of zeros and ones with the names
    ``mask_<module>_<granularity>``, so the average of checkpoints after the end of the
    schedule is binary too.

    The method is this plugin's design, based on the abstract of [0] only: no number,
    granularity or criterion is claimed to be that of the paper.

    - [0] Learning a Dual-Mode Speech Recognition Model via Self-Pruning, 2022,
      https://arxiv.org/abs/2207.11906
    - [1] To prune, or not to prune, 2017, https://arxiv.org/abs/1710.01878, Eq. 1: the
      schedule.

    Args:
        root: The network, which is not registered as a sub-module. Names are relative
            to it.
        granularity: Keys of ``GRANULARITIES``: one or more of ``heads``, ``units``,
            ``channels`` and ``front_end``, or only ``blocks``.
        sparsity: Share of the groups that are masked at the end, from 0 to below 1: one
            number, or one for each granularity.
        criterion: Score of a group: ``mean_abs`` or ``l2`` of its weights; ``taylor``,
            by how much the loss of the sparse pass changes if the group is switched,
            over about the last hundred updates; or ``random``, drawn once.
        scope: ``layer``: the same share of groups is masked in every layer; ``global``:
            the lowest scores of all layers together, but at least one group of each
            layer is kept.
        begin: Share of the updates before which nothing is masked.
        end: Share of the updates after which the masks are final; below 1.
        every: Number of updates between two computations of the masks.
        fixed: Whether the masks are computed only once, at the first update with the
            full sparsity (an ablation).
        block: Number of rows and columns of a block.
        seed: Seed of ``random``; None: torch's seed while ESPnet builds the model,
            which is the same in all ranks and in resumed trainings.

    Raises:
        UserError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        root: nn.Module,
        granularity: Union[str, Sequence[str]] = ("heads", "units", "channels"),
        sparsity: Union[float, Mapping[str, float]] = 0.5,
        criterion: str = "mean_abs",
        scope: str = "layer",
        begin: float = 0.0,
        end: float = 0.6,
        every: int = 20,
        fixed: bool = False,
        block: Sequence[int] = (8, 1),
        seed: Optional[int] = None,
    ):
        super().__init__()
        kinds = [granularity] if isinstance(granularity, str) else granularity
        kinds = list(dict.fromkeys(kinds))
        self._sparsity = _final_sparsities(kinds, sparsity)
        for share in self._sparsity.values():
            cubic_sparsity(0.0, share, begin, end)  # refuses wrong numbers
        if end >= 1.0:
            raise UserError(
                f"end {end}: must be below 1, so that the masks are final before the "
                "training ends; 0.6 leaves the model time to adapt"
            )
        if criterion not in _CRITERIA:
            choices = ", ".join(_CRITERIA)
            raise UserError(f"criterion {criterion!r}: must be one of {choices}")
        if scope not in _SCOPES:
            raise UserError(f"scope {scope!r}: must be one of {', '.join(_SCOPES)}")
        if every < 1:
            raise UserError(f"every {every}: must be at least 1 update")
        if fixed and criterion == "taylor":
            raise UserError(
                "criterion 'taylor' with fixed: there are no gradients before the "
                "first update: use mean_abs, l2 or random"
            )
        self._criterion, self._scope = criterion, scope
        self._seed = torch.initial_seed() if seed is None else seed
        self._begin, self._end = begin, end
        self._every, self._fixed = every, fixed
        # (name of the buffer, groups) by granularity. The modules are not registered
        # here, so that their parameters are in the checkpoint only once.
        self._layers: dict[str, list[tuple[str, Groups]]] = {}
        for kind in kinds:
            self._layers[kind] = []
            for name, groups in find_groups(root, kind, block):
                buffer = "_".join(["mask", *name.split("."), kind])
                self.register_buffer(buffer, torch.ones(groups.count))
                self._layers[kind].append((buffer, groups))
        self._gradients = None
        if criterion == "taylor":
            self._gradients = MaskGradients({b: g.count for b, g in self._all()})
        # Both are in every checkpoint, so that a training can be resumed.
        self.register_buffer("update", torch.zeros((), dtype=torch.long))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.long))

    def check_updates(self, updates: int) -> None:
        """Check that the masks are final before the end of a training.

        Args:
            updates: Number of updates of the training.

        Raises:
            UserError: If the last update is before the end of the schedule.
        """
        if not self._fixed and (updates - 1) / updates < self._end:
            raise UserError(
                f"pruning.end {self._end} of {updates} updates: the masks would still "
                "change in the last update, so no epoch could be used: choose a "
                "smaller pruning.end, more epochs or smaller batches"
            )

    def step(self, updates: int) -> None:
        """Compute the masks again if it is due; to be called once before every update.

        Args:
            updates: Number of updates of the training.

        Raises:
            UserError: If it is below 1.
        """
        if updates < 1:
            raise UserError(f"updates {updates}: must be at least 1")
        update = int(self.update)
        self.update.add_(1)
        if self.frozen:
            return
        if self._gradients is not None:
            self._gradients.update()
        progress = update / updates
        if self._fixed or progress >= self._end:
            self.set_sparsity(1.0)
            self.frozen.fill_(1)
        elif update % self._every == 0:
            self.set_sparsity(progress)

    @torch.no_grad()
    def set_sparsity(self, progress: float) -> None:
        """Compute the masks again from the current weights.

        Args:
            progress: Share of the updates so far, 0 to 1.
        """
        for kind, layers in self._layers.items():
            share = cubic_sparsity(
                progress, self._sparsity[kind], self._begin, self._end
            )
            scores = [self._scores(buffer, groups) for buffer, groups in layers]
            if self._scope == "layer":
                masks = [top_mask(s, keep_count(len(s), share)) for s in scores]
            else:
                masks = _global_masks(scores, share)
            for (buffer, _), mask in zip(layers, masks):
                getattr(self, buffer).copy_(mask)

    def _scores(self, buffer: str, groups) -> torch.Tensor:
        if self._gradients is not None:
            return self._gradients.scores(buffer)
        if self._criterion != "random":
            return groups.scores(self._criterion)
        # The same numbers in every call, so that masks are nested and runs can be
        # resumed.
        seed = zlib.crc32(f"{self._seed} {buffer}".encode())
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(groups.count, generator=generator)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace dense weights by masked ones inside the context.

        For ``taylor``, while the masks change, only weights that read the output of a
        group are masked. Outputs and gradients are the same, up to rounding. With all
        weights masked, the gradient of a masked group would be zero, so that it could
        never return.

        The network must not be changed, moved or saved inside the context. The backward
        pass may follow after it.
        """
        dense, kept = [], []
        watched = self._gradients is not None and not self.frozen
        watched = watched and self.training and torch.is_grad_enabled()
        try:
            for buffer, groups in self._all():
                mask = getattr(self, buffer)
                factor = self._gradients.watched(buffer, mask) if watched else mask
                for owner, name, spread in groups.spread(factor, readers=watched):
                    parameter = owner._parameters[name]
                    dense.append((owner, name, parameter))
                    owner._parameters[name] = parameter * spread.to(parameter.dtype)
                if hasattr(groups.module, "kept"):
                    kept.append((groups.module, groups.module.kept))
                    groups.module.kept = mask.repeat_interleave(groups.each)
            yield
        finally:
            for owner, name, parameter in reversed(dense):
                owner._parameters[name] = parameter
            for module, before in reversed(kept):
                module.kept = before

    def check_owner(self, network: nn.Module) -> None:
        """Check that the masks belong to a network, which would otherwise stay dense.

        Args:
            network: The network.

        Raises:
            UserError: If the masked modules are not in the network.
        """
        owners = {groups.module for _, groups, _ in self.masks()}
        if not owners.issubset(network.modules()):
            raise UserError(
                "the masks belong to another copy of the network, as with "
                "torch.nn.DataParallel: train on one GPU, or with "
                "--multiprocessing_distributed true"
            )

    def _all(self) -> Iterator[tuple[str, Groups]]:
        for layers in self._layers.values():
            yield from layers

    def masks(self) -> Iterator[tuple[str, Groups, torch.Tensor]]:
        """Yield granularity, groups and mask ``(count,)`` of every layer."""
        for kind, layers in self._layers.items():
            for buffer, groups in layers:
                yield kind, groups, getattr(self, buffer)

    def counts(self) -> dict[str, list[tuple[int, int]]]:
        """Return the numbers of kept and of all groups per layer, by granularity."""
        counts: dict[str, list[tuple[int, int]]] = {kind: [] for kind in self._layers}
        for kind, groups, mask in self.masks():
            counts[kind].append((int(mask.sum()), groups.count))
        return counts

    def masked_weights(self) -> tuple[int, int]:
        """Return the numbers of masked and of maskable parameters."""
        together: dict[tuple, torch.Tensor] = {}
        for _, groups, mask in self.masks():
            for owner, name, spread in groups.spread(mask):
                like = getattr(owner, name)
                before = together.get((owner, name), torch.ones_like(like))
                together[owner, name] = before * spread.to(like.dtype)
        masked = sum(int((mask == 0).sum()) for mask in together.values())
        return masked, sum(mask.numel() for mask in together.values())

    @property
    def granularity(self) -> tuple[str, ...]:
        """The masked granularities, keys of ``GRANULARITIES``."""
        return tuple(self._layers)

    @property
    def masks_front_end(self) -> bool:
        """Whether the sub-sampling is masked as well."""
        return any(GRANULARITIES[kind].in_front_end for kind in self._layers)

    @property
    def packs(self) -> bool:
        """Whether matrices with masked groups can be stored in a smaller format."""
        return any(groups.packs for _, groups in self._all())

    @property
    def sparsity(self) -> float:
        """Share of the maskable weights that are masked now, 0 to 1."""
        masked, total = self.masked_weights()
        return masked / total

    def check_binary(self) -> None:
        """Check that the masks are binary, which an average of changing masks is not.

        Raises:
            UserError: If a mask has other values than zeros and ones, or only zeros.
        """
        for kind, _, mask in self.masks():
            if not torch.equal(mask, (mask == 1).to(mask.dtype)) or not mask.any():
                raise UserError(
                    f"a mask of {kind} has values other than 0 and 1: average only "
                    "checkpoints after the end of the schedule (pruning.end "
                    f"{self._end})"
                )


def _final_sparsities(
    kinds: list[str], sparsity: Union[float, Mapping[str, float]]
) -> dict[str, float]:
    if not kinds:
        raise UserError("granularity []: name at least one")
    alone = [k for k in kinds if k in GRANULARITIES and GRANULARITIES[k].alone]
    if alone and len(kinds) > 1:
        raise UserError(
            f"granularity {kinds}: {alone[0]} overlap with everything else: use "
            f"{alone[0]} alone, or any of the others"
        )
    if isinstance(sparsity, Mapping):
        if set(sparsity) != set(kinds):
            raise UserError(
                f"sparsity {dict(sparsity)}: must name each of {', '.join(kinds)}"
            )
        shares = {kind: sparsity[kind] for kind in kinds}
    else:
        shares = {kind: sparsity for kind in kinds}
    for kind, share in shares.items():
        if not 0.0 <= share < 1.0:
            raise UserError(
                f"sparsity {share} of {kind}: must be at least 0 and below 1"
            )
    return shares


def _global_masks(scores: list[torch.Tensor], share: float) -> list[torch.Tensor]:
    """Keep the best groups of all layers together, and the best one of each layer."""
    together = torch.cat(scores)
    first, start = [], 0
    for layer in scores:
        first.append(start + int(top_mask(layer, 1).argmax()))
        start += len(layer)
    keep = max(len(scores), keep_count(len(together), share))
    raised = together.clone()
    raised[first] = torch.inf
    return list(top_mask(raised, keep).split([len(layer) for layer in scores]))
