"""Operations as single nodes for which torch's exporter writes several.

A small network spends most of its time on starting nodes for short utterances, and a
reshape to a size that is only known at run time takes five nodes.
"""

import contextlib
from contextvars import ContextVar
from typing import Iterator, Sequence

import torch

__all__ = ["constant_sizes", "quotient", "reshaped", "reshaped_like"]

_constant_sizes = ContextVar("constant_sizes", default=False)


@contextlib.contextmanager
def constant_sizes(wanted: bool = True) -> Iterator[None]:
    """Write sizes as constants inside the context, for inputs of one length only.

    Then ``Shape`` is not used, of which torch 2.14 misreads a part where sizes are
    constant: it takes all sizes, and later transpositions get too many axes.
    """
    token = _constant_sizes.set(wanted)
    try:
        yield
    finally:
        _constant_sizes.reset(token)


def reshaped(x: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Return ``x`` with other sizes: 0 keeps that of the same place, -1 is computed.

    There has to be a -1: without one, torch's exporter refuses a 0.
    """
    return _Reshape.apply(x, tuple(sizes))


def reshaped_like(
    x: torch.Tensor, like: torch.Tensor, rest: Sequence[int]
) -> torch.Tensor:
    """Return ``x`` with the first two sizes of ``like`` and then those of ``rest``."""
    if _constant_sizes.get():
        return x.reshape(int(like.size(0)), int(like.size(1)), *rest)
    return _ReshapeLike.apply(x, like, tuple(rest))


def quotient(x: torch.Tensor, by: int) -> torch.Tensor:
    """Return whole numbers divided by another and rounded down; none below zero."""
    return _Quotient.apply(x, by)


class _Reshape(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, sizes):
        known = [x.size(n) if size == 0 else size for n, size in enumerate(sizes)]
        return x.reshape(known)

    @staticmethod
    def symbolic(g, x, sizes):
        return g.op("Reshape", x, _constant(g, sizes))


class _ReshapeLike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, like, rest):
        return x.reshape(like.size(0), like.size(1), *rest)

    @staticmethod
    def symbolic(g, x, like, rest):
        first = g.op("Shape", like, start_i=0, end_i=2)
        return g.op("Reshape", x, g.op("Concat", first, _constant(g, rest), axis_i=0))


class _Quotient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, by):
        return torch.div(x, by, rounding_mode="floor")

    @staticmethod
    def symbolic(g, x, by):
        return g.op("Div", x, g.op("Constant", value_t=torch.tensor(by)))


def _constant(g, sizes):
    return g.op("Constant", value_t=torch.tensor(sizes, dtype=torch.int64))
