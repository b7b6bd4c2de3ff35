"""Weights as 8-bit integers with scales."""

from typing import Union

import numpy as np

__all__ = ["rounded"]


def rounded(
    values: np.ndarray, axis: Union[int, tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray]:
    """Round weights to signed 8-bit integers, symmetrically around zero.

    Args:
        values: In single precision, any shape.
        axis: The axes that share a scale.

    Returns:
        The integers from -127 to 127, and the scales, with a length of one on ``axis``:
        integers times scales are within half a scale of ``values``.
    """
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    return np.rint(values / scale).astype(np.int8), scale
