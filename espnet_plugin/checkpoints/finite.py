"""Tensors whose values are not finite: what a diverged training leaves."""

from __future__ import annotations

from typing import Collection, Mapping, Optional

import torch

__all__ = ["first_not_finite"]


def first_not_finite(
    state: Mapping[str, torch.Tensor], may_be_infinite: Collection[str] = ()
) -> Optional[str]:
    """Return the name of the first tensor that holds NaN or infinity; None if none.

    Args:
        state: Tensors of any shape by name. Those of integers or booleans are finite.
        may_be_infinite: Names of tensors in which only NaN counts. Masks that are
            stored as buffers, for example, hold infinity on purpose.
    """
    for name, value in state.items():
        if not (value.is_floating_point() or value.is_complex()):
            continue
        if name in may_be_infinite:
            wrong = torch.isnan(value)
        else:
            wrong = ~torch.isfinite(value)
        if wrong.any():
            return name
    return None
