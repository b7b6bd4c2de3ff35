"""The mask after ESPnet's subsampling, without counting frames.

ESPnet counts the valid frames of the mask before it, divides and adds. OpenVINO 2026.4
joins these steps, and then its quotient of integers is not a whole number
(``findings/openvino_reduced_division.sh``). The numbers are known, so nothing has to be
counted.
"""

from typing import Any, Optional

import torch
from torch import nn

from espnet_plugin.export.graph.operators import quotient
from espnet_plugin.tensors.frames import frame_mask

__all__ = ["KnownLengths", "after_convolutions", "has_known_lengths", "time_steps"]


def time_steps(embed: nn.Module) -> list[tuple[int, int]]:
    """Return kernel and stride in time of each convolution of ESPnet's subsampling."""
    convolutions = (layer for layer in embed.conv if isinstance(layer, nn.Conv2d))
    return [(conv.kernel_size[0], conv.stride[0]) for conv in convolutions]


def after_convolutions(
    lengths: torch.Tensor, steps: list[tuple[int, int]]
) -> torch.Tensor:
    """Return how many frames ``(batch,)`` are left of ``lengths`` ``(batch,)``."""
    for kernel, stride in steps:
        lengths = quotient(lengths - kernel, stride) + 1
    return lengths


def has_known_lengths(embed: nn.Module) -> bool:
    """Return whether :class:`KnownLengths` masks as this module of ESPnet does.

    ESPnet before 202609 cuts the mask of the longest utterance instead, and has no
    plain linear map as ``out``.
    """
    return type(embed).__name__.startswith("Conv2dSubsampling") and isinstance(
        embed.out, nn.Linear
    )


class KnownLengths:
    """Gives a ``Conv2dSubsampling`` of ESPnet another mask, of the same values.

    Args:
        embed: The module; :func:`has_known_lengths`. Its output is replaced, and not
            the module, because ESPnet's encoders look at its class.
    """

    def __init__(self, embed: nn.Module):
        self._steps = time_steps(embed)
        self._given: Optional[torch.Tensor] = None
        embed.register_forward_hook(self._replace)

    def give(self, lengths: torch.Tensor) -> torch.Tensor:
        """Take the valid frames ``(batch,)`` of the next input.

        Returns:
            Those of the encoder.
        """
        self._given = after_convolutions(lengths, self._steps)
        return self._given

    def _replace(self, module: nn.Module, given: Any, output: Any) -> Any:
        x, _ = output
        frames = x[0] if isinstance(x, tuple) else x
        return x, frame_mask(self._given, frames.size(1))[:, None]
