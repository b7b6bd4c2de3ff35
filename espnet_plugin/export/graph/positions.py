"""Position encodings that are computed from the length.

ESPnet slices a table and extends it if necessary. In a graph, a table would be a large
constant and could not be extended.
"""

import math

import torch
from torch import nn

__all__ = ["computed_positions"]


class _Positions(nn.Module):
    """Sine and cosine of positions.

    Args:
        width: Width of the encoder.
    """

    def __init__(self, width: int):
        super().__init__()
        steps = torch.arange(0, width, 2, dtype=torch.float32)
        rates = torch.exp(steps * -(math.log(10000.0) / width))
        self.scale = math.sqrt(width)
        self.register_buffer("rates", rates, persistent=False)

    def codes(self, positions: torch.Tensor) -> torch.Tensor:
        """Return ``(1, positions, width)``, sine and cosine taking turns."""
        angles = positions.to(self.rates)[:, None] * self.rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[None]


class AbsolutePositions(_Positions):
    """ESPnet's ``PositionalEncoding``: added to the scaled input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(x.size(1), device=x.device)
        return x * self.scale + self.codes(positions)


class RelativePositions(_Positions):
    """ESPnet's ``RelPositionalEncoding``: from the farthest past to the future."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = x.size(1)
        distances = torch.arange(frames - 1, -frames, -1, device=x.device)
        return x * self.scale, self.codes(distances)


class LegacyPositions(_Positions):
    """ESPnet's ``LegacyRelPositionalEncoding``: the head of a reversed table.

    So the positions depend on the size of the table, even for short utterances.

    Args:
        width: Width of the encoder.
        table: Positions of the table in ESPnet.
    """

    def __init__(self, width: int, table: int):
        super().__init__(width)
        self.table = table

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        positions = torch.arange(x.size(1), device=x.device)
        # As a maximum of tensors, because one of Python's would be a constant.
        last = torch.maximum(positions.max(), torch.tensor(self.table - 1))
        return x * self.scale, self.codes(last - positions)


def computed_positions(stock: nn.Module) -> nn.Module:
    """Return the replacement of a position encoding of ESPnet, or the module itself.

    Scaled and learnt encodings (e.g. ``scaled_abs_pos``) are not replaced.
    """
    kind = type(stock).__name__
    if kind == "PositionalEncoding":
        return AbsolutePositions(stock.d_model)
    if kind == "RelPositionalEncoding":
        return RelativePositions(stock.d_model)
    if kind == "LegacyRelPositionalEncoding":
        return LegacyPositions(stock.d_model, stock.pe.size(1))
    return stock
