"""Groups of weights that a mask switches off together.

This is plain torch. A module whose weights form groups that can be cut out has a method
``pruning_groups()`` that returns a list of :class:`StructuredGroups`. The kinds of
groups, and how they are found, are in ``granularities``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Iterator, Sequence

import torch
from torch import nn

__all__ = [
    "CRITERIA",
    "Groups",
    "Member",
    "StructuredGroups",
    "finish",
    "measure",
]

CRITERIA = ("mean_abs", "l2")


@dataclass(frozen=True)
class Member:
    """The position of a structured group's weights in one parameter.

    Along ``dim`` the parameter has ``parts`` consecutive sections. Each section is
    split into as many equal runs as there are groups, and a group has one run of each
    section.

    Attributes:
        parameter: Dotted name within the module, e.g. ``linear_q.weight``.
        dim: The dimension along which groups are cut.
        parts: 2 for the two halves of a gated linear unit; otherwise 1.
        scored: Whether its weights are included in the score of the group. Biases and
            gains are not, because they are not part of a matrix and start at zero or
            one.
        reads: Whether it reads the output of the group. If only such weights are
            masked, the group has no effect, but its output is still computed.
    """

    parameter: str
    dim: int
    parts: int = 1
    scored: bool = True
    reads: bool = False


class Groups(ABC):
    """The groups of one module, or of a part of it.

    Attributes:
        module: The module. If it has an attribute ``kept``, this is set to the mask
            while the mask is applied, for operations that depend on the kept channels
            (mean and variance of a normalisation).
        count: Number of groups.
        each: Number of heads, units or channels in a group.
        packs: Whether :meth:`pack` makes a matrix with masked groups smaller.
    """

    module: nn.Module
    count: int
    each = 1
    packs = False

    @abstractmethod
    def scores(self, criterion: str) -> torch.Tensor:
        """Return the score of each group by its weights, ``(count,)``.

        Args:
            criterion: A name of ``CRITERIA``: ``mean_abs``, the mean of ``|w|``, or
                ``l2``, the root mean square.
        """

    @abstractmethod
    def spread(
        self, mask: torch.Tensor, readers: bool = False
    ) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Yield module, name and mask of every parameter with weights of the groups.

        Args:
            mask: ``(count,)`` of zeros and ones.
            readers: Whether only parameters that read the groups' output are yielded,
                if there are others.
        """

    def cut_out(self, state: dict[str, torch.Tensor], name: str, mask) -> None:
        """Remove masked groups from the module's tensors; here they are set to zero.

        Args:
            state: Tensors of the network, which are changed in place.
            name: Name of the module in the network.
            mask: ``(count,)`` of zeros and ones.
        """
        names = {module: part for part, module in self.module.named_modules()}
        for owner, parameter, spread in self.spread(mask):
            full = ".".join(filter(None, [name, names[owner], parameter]))
            state[full] = state[full] * spread.to(state[full].dtype)

    def pack(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return a matrix without its masked groups, in a format for files."""
        return matrix


class StructuredGroups(Groups):
    """Groups that can be cut out of a module, which leaves a smaller dense one.

    Args:
        module: The module.
        kind: Name of the granularity, e.g. ``heads``.
        count: Number of groups.
        members: Positions of their weights in the parameters.
        part: Name that distinguishes several sets of groups in one module.
        place: Index of the set, if the size of the module is a list.
        each: Number of heads, units or channels in a group.
    """

    def __init__(
        self,
        module: nn.Module,
        kind: str,
        count: int,
        members: Sequence[Member],
        part: str = "",
        place: int = 0,
        each: int = 1,
    ):
        self.module, self.kind, self.count, self.part = module, kind, count, part
        self.place, self.each = place, each
        self.members = tuple(members)

    def scores(self, criterion: str) -> torch.Tensor:
        """Return the mean of ``|w|`` or the root mean square of each group.

        Args:
            criterion: A name of ``CRITERIA``.

        Returns:
            ``(count,)``.
        """
        total = 0.0
        for member in self.members:
            if member.scored:
                total = total + measure(self._grouped(member), criterion).sum(0)
        return finish(total, self._scored_weights(), criterion)

    def spread(
        self, mask: torch.Tensor, readers: bool = False
    ) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Yield module, name and mask of every parameter with weights of the groups.

        A mask has as many dimensions as its parameter, all but one of size 1. If a
        parameter is yielded twice, both masks apply.

        Args:
            mask: ``(count,)`` of zeros and ones.
            readers: Whether only parameters that read the groups' output are yielded.
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
        """Return the indices of kept groups along ``member.dim``, ascending."""
        size = _owned(self.module, member.parameter).shape[member.dim]
        run = size // (member.parts * self.count)
        along = mask.bool().repeat_interleave(run).repeat(member.parts)
        return along.nonzero()[:, 0]

    def cut_out(self, state: dict[str, torch.Tensor], name: str, mask) -> None:
        """Remove masked groups, so that tensors become smaller; see the base class."""
        for member in self.members:
            full, kept = f"{name}.{member.parameter}", self.indices(mask, member)
            state[full] = state[full].index_select(member.dim, kept)

    def _grouped(self, member: Member) -> torch.Tensor:
        """Return a parameter as ``(others, count)``."""
        weight = _owned(self.module, member.parameter).detach()
        weight = weight.movedim(member.dim, 0)
        run = weight.shape[0] // (member.parts * self.count)
        weight = weight.reshape(member.parts, self.count, run, -1)
        return weight.transpose(1, -1).reshape(-1, self.count)

    def _scored_weights(self) -> int:
        """Return the number of weights in the score of a group."""
        scored = [m for m in self.members if m.scored]
        total = sum(_owned(self.module, m.parameter).numel() for m in scored)
        return total // self.count


def measure(values: torch.Tensor, criterion: str) -> torch.Tensor:
    """Return the values that are averaged over a group: magnitudes or squares."""
    return values.abs() if criterion == "mean_abs" else values.square()


def finish(total: torch.Tensor, number, criterion: str) -> torch.Tensor:
    """Return the scores from sums over groups and the number of weights in each."""
    mean = total / number
    return mean if criterion == "mean_abs" else mean.sqrt()


def _split(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, last = name.rpartition(".")
    return module.get_submodule(path), last


def _owned(module: nn.Module, name: str) -> nn.Parameter:
    owner, last = _split(module, name)
    return getattr(owner, last)
