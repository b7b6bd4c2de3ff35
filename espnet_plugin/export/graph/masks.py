"""Padding masks with a size linear in the length, not quadratic."""

import contextlib
import sys
from typing import Iterator, Optional

import torch

from espnet_plugin.tensors.frames import frame_mask

__all__ = ["linear_pad_mask", "linear_masks"]


def linear_pad_mask(
    lengths: torch.Tensor,
    xs: Optional[torch.Tensor] = None,
    length_dim: int = -1,
    maxlen: Optional[int] = None,
) -> torch.Tensor:
    """Return the same mask as ESPnet's ``make_pad_mask``.

    ESPnet's version selects rows of a square mask of the longest utterance, which takes
    gigabytes for minutes of audio, and would be exported like that.

    Args:
        lengths: ``(batch,)``.
        xs: A tensor whose shape the mask takes, frames in ``length_dim``.
        length_dim: See ``xs``.
        maxlen: Frames of the mask; the largest length if not given.

    Returns:
        True where there is padding: ``(batch, frames)``, or the shape of ``xs``.
    """
    if xs is None:
        frames = lengths.max() if maxlen is None else maxlen
        return ~frame_mask(lengths, frames)
    mask = ~frame_mask(lengths, xs.size(length_dim))
    shape = [1] * xs.dim()
    shape[0], shape[length_dim] = xs.size(0), -1
    return mask.view(shape).expand_as(xs)


@contextlib.contextmanager
def linear_masks(
    encoder: torch.nn.Module, frames: Optional[int] = None
) -> Iterator[None]:
    """Let an ESPnet encoder use :func:`linear_pad_mask` inside the context.

    Encoders with their own masks (``dual_mode_conformer``) are not changed.

    Args:
        encoder: The encoder.
        frames: Frames of a mask for which the encoder names none; the largest length
            if not given.
    """
    module = sys.modules[type(encoder).__module__]
    if not hasattr(module, "make_pad_mask"):
        yield
        return
    stock = module.make_pad_mask

    def masks(lengths, xs=None, length_dim=-1, maxlen=None):
        most = frames if maxlen is None else maxlen
        return linear_pad_mask(lengths, xs, length_dim, most)

    module.make_pad_mask = masks
    try:
        yield
    finally:
        module.make_pad_mask = stock
