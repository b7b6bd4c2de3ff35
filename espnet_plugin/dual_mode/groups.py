"""Groups of weights that a mask switches off together.

Plain torch. A module whose weights fall into groups that can be cut out says so itself:
it has a method ``pruning_groups()`` that returns a list of :class:`StructuredGroups`.
Which kinds there are, and how each is found, is in ``granularities``.
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
    """The place of a structured group's weights in one parameter.

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


class Groups(ABC):
    """The groups of one module, or of a part of it.

    Attributes:
        module: The owner. If it has an attribute ``kept``, that is set to the mask
            while the mask is applied, for what multiplication alone does not do (the
            mean and the variance of a normalisation run over the channels kept).
        count: Number of groups.
        each: How many of what the module's size counts a group has.
        packs: Whether :meth:`pack` makes a matrix with masked groups smaller.
    """

    module: nn.Module
    count: int
    each = 1
    packs = False

    @abstractmethod
    def scores(self, criterion: str) -> torch.Tensor:
        """Return what each group is worth by its weights, ``(count,)``.

        Args:
            criterion: The mean of ``|w|`` or the root of the mean of ``w**2``, a name
                of ``CRITERIA``.
        """

    @abstractmethod
    def spread(
        self, mask: torch.Tensor, readers: bool = False
    ) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Yield owner, name and mask of every parameter concerned.

        Args:
            mask: ``(count,)`` of zeros and ones.
            readers: Only of those that read what the group computes, where there are
                others.
        """

    def cut_out(self, state: dict[str, torch.Tensor], name: str, mask) -> None:
        """Leave masked groups out of the owner's tensors; here they become zeros.

        Args:
            state: Tensors of the network; changed in place.
            name: The owner's name in it.
            mask: ``(count,)`` of zeros and ones.
        """
        names = {module: part for part, module in self.module.named_modules()}
        for owner, parameter, spread in self.spread(mask):
            full = ".".join(filter(None, [name, names[owner], parameter]))
            state[full] = state[full] * spread.to(state[full].dtype)

    def pack(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return a matrix without its masked groups, in a form that a file may hold."""
        return matrix


class StructuredGroups(Groups):
    """Groups that can be cut out of a module and leave a smaller dense one.

    Args:
        module: The owner.
        kind: The granularity that finds them, e.g. ``heads``.
        count: Number of groups.
        members: Their parameters.
        part: Tells apart several sets of groups of one module.
        place: Number of the set where the module's size is a list of numbers.
        each: How many of what the module's size counts a group has.
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
        """Return the mean of ``|w|``, or the root of the mean of ``w**2``, by group.

        Args:
            criterion: One of ``CRITERIA``.

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

    def cut_out(self, state: dict[str, torch.Tensor], name: str, mask) -> None:
        """Leave masked groups out: the tensors become smaller; see the base class."""
        for member in self.members:
            full, kept = f"{name}.{member.parameter}", self.indices(mask, member)
            state[full] = state[full].index_select(member.dim, kept)

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


def measure(values: torch.Tensor, criterion: str) -> torch.Tensor:
    """Return what is averaged over a group: the magnitude, or the square."""
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
