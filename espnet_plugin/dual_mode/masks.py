"""Self-pruning: the sparse network finds itself while the dense one is trained."""

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
    """Return how many of ``count`` groups a sparsity leaves: at least one."""
    return max(1, count - round(sparsity * count))


def top_mask(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """Return 1 for the ``keep`` highest scores, 0 elsewhere; of equals, the first.

    Args:
        scores: ``(count,)``.
    """
    order = scores.argsort(descending=True, stable=True)
    mask = torch.zeros(scores.shape, device=scores.device)
    mask[order[:keep]] = 1.0
    return mask


class SelfPruner(nn.Module):
    """Binary masks on a network's weights, for its sparse pass only.

    Inside ``applied()`` every masked parameter is its product with the mask, so the
    gradients of what is computed there reach the kept weights only. Outside, the
    network is dense and all weights learn. A masked weight therefore keeps its value
    and goes on learning through the dense pass, and while the masks move its group may
    return.

    The masks are buffers of zeros and ones under ``mask_<module>_<granularity>``, so
    the average of checkpoints written after the schedule's end is binary too.

    The method is our design along the lines of [0], whose abstract alone was at
    hand: no number, granularity or criterion here is claimed to be the paper's.

    - [0] Learning a Dual-Mode Speech Recognition Model via Self-Pruning, 2022,
      https://arxiv.org/abs/2207.11906
    - [1] To prune, or not to prune, 2017, https://arxiv.org/abs/1710.01878, Eq. 1: the
      schedule.

    Args:
        root: The network; it is not registered here. Names are relative to it.
        granularity: Names of ``GRANULARITIES``: ``heads``, ``units``, ``channels``,
            ``front_end`` (any of them together), or ``blocks`` alone.
        sparsity: Share of the groups that is masked in the end, at least 0 and below 1;
            one number, or one by granularity.
        criterion: ``mean_abs`` or ``l2``, per weight; ``taylor``: what the loss of the
            sparse pass would change by if the group were switched, of the last hundred
            updates or so; or ``random``: drawn once.
        scope: ``layer``: the same share of every layer; ``global``: the lowest of all
            layers of a granularity together, but one group a layer always stays.
        begin: Progress up to which nothing is masked.
        end: Progress from which on the masks stay as they are; below 1.
        every: Updates between two computations of the masks.
        fixed: Whether the masks are made once, at the first update and with the full
            sparsity, and never move (an ablation).
        block: Rows and columns of a block.
        seed: Seed of ``random``; that of the training if None, which is torch's while
            ESPnet builds the model, and the same in every rank and when it is resumed.

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
            cubic_sparsity(0.0, share, begin, end)  # refuses bad numbers now
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
                "criterion 'taylor' with fixed: before the first update there is no "
                "gradient to choose by; use mean_abs, l2 or random"
            )
        self._criterion, self._scope = criterion, scope
        self._seed = torch.initial_seed() if seed is None else seed
        self._begin, self._end = begin, end
        self._every, self._fixed = every, fixed
        # By granularity: (name of the buffer, groups). No sub-modules: the network owns
        # its parameters, and they should be in the checkpoint once.
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
        # Both travel with every checkpoint: a resumed training goes on where it was.
        self.register_buffer("update", torch.zeros((), dtype=torch.long))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.long))

    def check_updates(self, updates: int) -> None:
        """Refuse a training that would end before its masks are final.

        Args:
            updates: Updates of the whole training.

        Raises:
            UserError: If even the last of them comes before the schedule's end.
        """
        if not self._fixed and (updates - 1) / updates < self._end:
            raise UserError(
                f"pruning.end {self._end} of {updates} updates: the masks would still "
                "change in the last update, so no epoch could be used; let them end "
                "earlier, train for more epochs or in smaller batches"
            )

    def step(self, updates: int) -> None:
        """Move the masks, if it is time. Call it once before every update.

        Args:
            updates: Updates of the training in all.

        Raises:
            UserError: If there are none.
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
        """Compute the masks anew from the weights as they are.

        Args:
            progress: Share of the updates made: where the schedule is.
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
        # The same numbers every time: growing masks stay nested, a resumed run agrees.
        seed = zlib.crc32(f"{self._seed} {buffer}".encode())
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(groups.count, generator=generator)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the masked weights in the place of the dense ones, for a while.

        For ``taylor``, while the masks move, only those weights are masked that read
        what a group computes. The outputs are the same, to rounding, and so are the
        gradients; with the others masked as well, the slope of a group that is off
        would be zero, and none would ever return.

        The network must not be changed, moved or saved inside; the backward pass may
        come after.
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
        """Refuse a network that these masks would leave dense without a word.

        Raises:
            UserError: If the masked modules are not the network's.
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
        """Return groups kept and groups in all, layer by layer, by granularity."""
        counts: dict[str, list[tuple[int, int]]] = {kind: [] for kind in self._layers}
        for kind, groups, mask in self.masks():
            counts[kind].append((int(mask.sum()), groups.count))
        return counts

    def masked_weights(self) -> tuple[int, int]:
        """Return how many parameters are masked now, and how many could be."""
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
        """What is masked, of ``GRANULARITIES``."""
        return tuple(self._layers)

    @property
    def masks_front_end(self) -> bool:
        """Whether the sub-sampling is masked too."""
        return any(GRANULARITIES[kind].in_front_end for kind in self._layers)

    @property
    def packs(self) -> bool:
        """Whether matrices with masked groups have a smaller form for a file."""
        return any(groups.packs for _, groups in self._all())

    @property
    def sparsity(self) -> float:
        """Share of the weights within reach of the masks that is masked now."""
        masked, total = self.masked_weights()
        return masked / total

    def check_binary(self) -> None:
        """Refuse masks that are an average over moving ones.

        Raises:
            UserError: If a mask holds anything but zeros and ones, or only zeros.
        """
        for kind, _, mask in self.masks():
            if not torch.equal(mask, (mask == 1).to(mask.dtype)) or not mask.any():
                raise UserError(
                    f"a mask of {kind} is not of zeros and ones: average only "
                    "checkpoints written after the schedule's end (pruning.end "
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
            f"granularity {kinds}: {alone[0]} overlap with everything else; use "
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
    """Keep the best of all layers together, and the best one of each layer."""
    together = torch.cat(scores)
    first, start = [], 0
    for layer in scores:
        first.append(start + int(top_mask(layer, 1).argmax()))
        start += len(layer)
    keep = max(len(scores), keep_count(len(together), share))
    raised = together.clone()
    raised[first] = torch.inf
    return list(top_mask(raised, keep).split([len(layer) for layer in scores]))
