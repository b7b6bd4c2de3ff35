"""ESPnet's two normalisations of features."""

from typing import Optional

import torch
from torch import nn

from espnet_plugin.tensors.frames import frame_mask

__all__ = ["normalisation"]


class GlobalNormalisation(nn.Module):
    """Subtract the corpus's mean and divide by its standard deviation.

    Args:
        stock: ESPnet's ``GlobalMVN``.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        mean, std = stock.mean.double(), stock.std.double()
        if not stock.norm_means:
            mean = torch.zeros_like(mean)
        if not stock.norm_vars:
            std = torch.ones_like(std)
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("inverse", (1 / std).float(), persistent=False)

    def forward(self, feats: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return (feats - self.mean) * self.inverse


class UtteranceNormalisation(nn.Module):
    """Subtract an utterance's own mean and divide by its own standard deviation.

    Args:
        stock: ESPnet's ``UtteranceMVN``.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.means, self.variances = stock.norm_means, stock.norm_vars
        self.floor = stock.eps

    def forward(self, feats: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        padding = ~frame_mask(lengths, feats.size(1))[..., None]
        counts = lengths[:, None, None].to(feats)
        feats = feats.masked_fill(padding, 0.0)
        centred = feats - feats.sum(1, keepdim=True) / counts
        centred = centred.masked_fill(padding, 0.0)
        if self.variances:
            variance = centred.square().sum(1, keepdim=True) / counts
            deviation = variance.sqrt().clamp(min=self.floor)
            return (centred if self.means else feats) / deviation
        return centred if self.means else feats


def normalisation(stock: Optional[nn.Module]) -> Optional[nn.Module]:
    """Return the module that replaces ESPnet's; None where there is none.

    Raises:
        ValueError: If it is neither ``global_mvn`` nor ``utterance_mvn``.
    """
    if stock is None:
        return None
    kind = type(stock).__name__
    if kind == "GlobalMVN":
        return GlobalNormalisation(stock)
    if kind == "UtteranceMVN":
        return UtteranceNormalisation(stock)
    raise ValueError(f"normalisation {kind} cannot be exported")
