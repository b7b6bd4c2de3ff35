"""What a mask may switch off: heads, units, channels, or blocks of a matrix.

Heads, units, channels and ``front_end`` (channels of the sub-sampling, which does most
of a narrow model's work) are structured: they can be cut out.

Plain torch. A module whose weights fall into groups says so itself: it has a method
``pruning_groups()`` that returns a list of :class:`StructuredGroups`. Blocks need
nothing of the kind: they are found in every linear layer and point-wise convolution.
"""

from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

import torch
from torch import nn

from espnet_plugin.errors import UserError

__all__ = [
    "CRITERIA",
    "GRANULARITIES",
    "BlockGroups",
    "Member",
    "StructuredGroups",
    "find_groups",
]

CRITERIA = ("mean_abs", "l2")


@dataclass(frozen=True)
class Member:
    """Where a structured group's weights stand in one parameter.

    Along ``dim`` the parameter holds ``parts`` stretches, one behind the other; each is
    cut into as many equal runs as there are groups, and a group owns one run of each.

    Attributes:
        parameter: Dotted name within the module, e.g. ``linear_q.weight``.
        dim: The dimension that is cut.
        parts: 2 for the two halves that a gated linear unit reads; else 1.
        scored: Whether its weights count when the group is scored. Biases and gains do
            not: they are no share of a matrix, and start at zero or one.
        reads: Whether it reads what the others write. Such weights alone masked, the
            group is off just as well, and what it would bring is still computed.
    """

    parameter: str
    dim: int
    parts: int = 1
    scored: bool = True
    reads: bool = False


class StructuredGroups:
    """Groups that can be cut out of a module and leave a smaller dense one.

    Args:
        module: The owner. If it has an attribute ``kept``, that is set to the mask
            while the mask is applied, for what multiplication alone does not do (the
            mean and the variance of a normalisation run over the channels kept).
        kind: ``heads``, ``units``, ``channels`` or ``front_end``.
        count: Number of groups.
        members: Their parameters.
        part: Tells apart several sets of groups of one module.
    """

    def __init__(
        self,
        module: nn.Module,
        kind: str,
        count: int,
        members: Sequence[Member],
        part: str = "",
    ):
        self.module, self.kind, self.count, self.part = module, kind, count, part
        self.members = tuple(members)

    def scores(self, criterion: str) -> torch.Tensor:
        """Return the mean of ``|w|``, or the root of the mean of ``w**2``, by group.

        Args:
            criterion: Of ``CRITERIA``.

        Returns:
            ``(count,)``.
        """
        total = 0.0
        for member in self.members:
            if member.scored:
                total = total + _measure(self._grouped(member), criterion).sum(0)
        return _finish(total, self._scored_weights(), criterion)

    def spread(
        self, mask: torch.Tensor, readers: bool = False
    ) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Yield owner, name and mask of every parameter concerned.

        Args:
            mask: ``(count,)`` of zeros and ones.
            readers: Only of those that read what the group computes.

        Returns:
            The parameter's mask has as many dimensions as the parameter, all but one of
            size 1. A parameter may come twice: both masks hold.
        """
        for member in self.members:
            if readers and not member.reads:
                continue
            owner, name = _split(self.module, member.parameter)
            parameter = getattr(owner, name)
            shape = [1] * parameter.dim()
            shape[member.dim] = parameter.shape[member.dim]
            run = parameter.shape[member.dim] // (member.parts * self.count)
            along = mask.repeat_interleave(run).repeat(member.parts)
            yield owner, name, along.view(shape)

    def indices(self, mask: torch.Tensor, member: Member) -> torch.Tensor:
        """Return the places along ``member.dim`` that kept groups own, ascending."""
        size = _owned(self.module, member.parameter).shape[member.dim]
        run = size // (member.parts * self.count)
        along = mask.bool().repeat_interleave(run).repeat(member.parts)
        return along.nonzero()[:, 0]

    def _grouped(self, member: Member) -> torch.Tensor:
        """View a parameter as ``(others, count)``."""
        weight = _owned(self.module, member.parameter).detach()
        weight = weight.movedim(member.dim, 0)
        run = weight.shape[0] // (member.parts * self.count)
        weight = weight.reshape(member.parts, self.count, run, -1)
        return weight.transpose(1, -1).reshape(-1, self.count)

    def _scored_weights(self) -> int:
        """Number of weights behind one group's score."""
        scored = [m for m in self.members if m.scored]
        total = sum(_owned(self.module, m.parameter).numel() for m in scored)
        return total // self.count


class BlockGroups:
    """Blocks of rows x columns of one matrix; 8 x 1 is 8 outputs of one input.

    Blocks at the lower and right edge are smaller where the sizes do not divide. They
    make a smaller file, and a faster model only with kernels made for them.

    Args:
        module: With a ``weight`` of ``(outputs, inputs)`` or ``(outputs, inputs, 1)``.
        block: Rows and columns.

    Raises:
        UserError: If a size is below 1.
    """

    kind = "blocks"

    def __init__(self, module: nn.Module, block: Sequence[int] = (8, 1)):
        self.module = module
        try:
            self.rows, self.columns = (int(size) for size in block)
        except (TypeError, ValueError):
            raise UserError(f"block {block!r}: give rows and columns, as [8, 1]")
        if self.rows < 1 or self.columns < 1:
            raise UserError(f"block {list(block)}: must be at least [1, 1]")
        outputs, inputs = module.weight.shape[:2]
        self.grid = (-(-outputs // self.rows), -(-inputs // self.columns))
        self.count = self.grid[0] * self.grid[1]

    def scores(self, criterion: str) -> torch.Tensor:
        """Return the mean of ``|w|``, or the root of the mean of ``w**2``, by block.

        Returns:
            ``(count,)``, row of blocks after row of blocks.
        """
        weight = self.module.weight.detach().flatten(1)
        number = self._sum(torch.ones_like(weight))
        return _finish(self._sum(_measure(weight, criterion)), number, criterion)

    def spread(
        self, mask: torch.Tensor, readers: bool = False
    ) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Yield the module, ``"weight"`` and the weight's mask, as large as it.

        There are no others, so ``readers`` changes nothing.
        """
        shape = self.module.weight.shape
        full = mask.view(self.grid).repeat_interleave(self.rows, 0)[: shape[0]]
        full = full.repeat_interleave(self.columns, 1)[:, : shape[1]]
        yield self.module, "weight", full.reshape(shape)

    def _sum(self, values: torch.Tensor) -> torch.Tensor:
        outputs, inputs = values.shape
        below = self.grid[0] * self.rows - outputs
        beside = self.grid[1] * self.columns - inputs
        values = nn.functional.pad(values, (0, beside, 0, below))
        values = values.view(self.grid[0], self.rows, self.grid[1], self.columns)
        return values.sum((1, 3)).flatten()


def _structured(kind: str) -> Callable:
    def find(root: nn.Module, block: Sequence[int]) -> Iterator[tuple]:
        for name, module in root.named_modules():
            if hasattr(module, "pruning_groups"):
                for groups in module.pruning_groups():
                    if groups.kind == kind:
                        yield f"{name}.{groups.part}".strip("."), groups

    return find


def _blocks(root: nn.Module, block: Sequence[int]) -> Iterator[tuple]:
    for name, module in root.named_modules():
        pointwise = isinstance(module, nn.Conv1d) and module.kernel_size == (1,)
        # Neither the front end nor the projection of the position codes.
        other = {"embed", "linear_pos"} & set(name.split("."))
        if (isinstance(module, nn.Linear) or pointwise) and not other:
            yield name, BlockGroups(module, block)


# Each finds ``(name of the module, groups)`` below a root.
GRANULARITIES: dict[str, Callable] = {
    "heads": _structured("heads"),
    "units": _structured("units"),
    "channels": _structured("channels"),
    "front_end": _structured("front_end"),
    "blocks": _blocks,
}


def find_groups(
    root: nn.Module, granularity: str, block: Sequence[int] = (8, 1)
) -> list[tuple[str, object]]:
    """Return ``(name of the module, groups)`` of one granularity, in order.

    Args:
        root: Where to look.
        granularity: Of ``GRANULARITIES``.
        block: Rows and columns; of blocks only.

    Raises:
        UserError: If the granularity is unknown, or nothing of the kind is found.
    """
    if granularity not in GRANULARITIES:
        raise UserError(
            f"granularity {granularity!r}: must be one of {', '.join(GRANULARITIES)}"
        )
    found = list(GRANULARITIES[granularity](root, block))
    if not found:
        raise UserError(f"granularity {granularity!r}: the model has no {granularity}")
    return found


def _measure(values: torch.Tensor, criterion: str) -> torch.Tensor:
    return values.abs() if criterion == "mean_abs" else values.square()


def _finish(total: torch.Tensor, number, criterion: str) -> torch.Tensor:
    mean = total / number
    return mean if criterion == "mean_abs" else mean.sqrt()


def _split(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, last = name.rpartition(".")
    return module.get_submodule(path), last


def _owned(module: nn.Module, name: str) -> nn.Parameter:
    owner, last = _split(module, name)
    return getattr(owner, last)
