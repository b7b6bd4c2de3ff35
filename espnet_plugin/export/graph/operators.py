"""Operations as single nodes for which torch's exporter writes several.

A small network spends most of its time on starting nodes for short utterances, and a
reshape to a size that is only known at run time takes five nodes. In files of fixed
size, some operations are written in another way, because converters misread them.
"""

import contextlib
import math
from contextvars import ContextVar
from typing import Iterator, Sequence

import torch

__all__ = [
    "channels_of_frames",
    "constant_sizes",
    "grouped_convolution",
    "log_from",
    "quotient",
    "reshaped",
    "reshaped_like",
]

_constant_sizes = ContextVar("constant_sizes", default=False)


@contextlib.contextmanager
def constant_sizes(wanted: bool = True) -> Iterator[None]:
    """Write graphs for inputs of one length inside the context.

    Sizes are constants. So ``Shape`` is not used, of which torch 2.14 misreads a part
    where sizes are constant: it takes all sizes, and later transpositions get too many
    axes. And operations that converters to LiteRT do not know, or misread, are written
    in another way.
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


def channels_of_frames(x: torch.Tensor) -> torch.Tensor:
    """Join the channels and frequencies of each frame.

    Args:
        x: ``(batch, channels, frequencies, frames)``, written by a convolution.

    Returns:
        ``(batch, frames, channels * frequencies)``.
    """
    size = x.size(1) * x.size(2)
    if _constant_sizes.get():
        # Transposed first: onnx2tf 2.6 misreads the other order after a convolution
        # (findings/onnx2tf_joined_channels.sh).
        x = x.permute(0, 3, 1, 2)
        return x.reshape(int(x.size(0)), int(x.size(1)), int(size))
    # The linear map after it reads what the convolution writes without moving it first.
    return reshaped(x, (0, int(size), -1)).transpose(1, 2)


def grouped_convolution(
    x: torch.Tensor, weight: torch.Tensor, groups: int
) -> torch.Tensor:
    """Convolve along the last axis with stride 1, without padding.

    Args:
        x: ``(batch, groups * inputs, frames)``.
        weight: ``(groups * outputs, inputs, kernel)``.
        groups: Number of groups of channels.

    Returns:
        ``(batch, groups * outputs, frames - kernel + 1)``.
    """
    if not _constant_sizes.get():
        return torch.nn.functional.conv1d(x, weight, groups=groups)
    # onnx2tf 2.6 writes an operator for it that LiteRT does not have.
    (_, inputs, kernel), frames = weight.shape, int(x.size(2))
    x = x.reshape(int(x.size(0)), groups, inputs, frames)
    parts = weight.reshape(groups, -1, inputs, kernel)
    count = frames - kernel + 1
    found = parts[..., 0] @ x[..., :count]
    for shift in range(1, kernel):
        found = found + parts[..., shift] @ x[..., shift : shift + count]
    return found.reshape(int(x.size(0)), weight.size(0), count)


def log_from(x: torch.Tensor, floor: float) -> torch.Tensor:
    """Return the logarithm of ``x``, of ``floor`` where ``x`` is smaller."""
    if _constant_sizes.get():
        # onnx2tf 2.6 takes a floor up to 1e-6 for zero
        # (findings/onnx2tf_small_floor.sh).
        return (x * (1 / floor)).clamp(min=1.0).log() + math.log(floor)
    return x.clamp(min=floor).log()


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
