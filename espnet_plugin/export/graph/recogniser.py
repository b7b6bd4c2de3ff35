"""The two forms of a complete recogniser: from samples and from features."""

from typing import Optional

import torch
from torch import nn

from espnet_plugin.export.graph.encoder import CtcEncoder, least_frames
from espnet_plugin.export.graph.framing import lengthen
from espnet_plugin.export.graph.normalise import normalisation

__all__ = ["FeatureRecogniser", "SampleRecogniser"]


class SampleRecogniser(nn.Module):
    """Maps samples to log-probabilities; short audio is padded with zeros.

    Args:
        model: An ESPnet ASR model in evaluation mode.
        front_end: Module that computes its features.
    """

    def __init__(self, model: nn.Module, front_end: nn.Module):
        super().__init__()
        self.front_end = front_end
        self.normalise = normalisation(model.normalize)
        self.least = front_end.least_samples(least_frames(model.encoder))
        self.network = CtcEncoder(model)

    def forward(
        self, samples: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Recognise ``(batch, samples)`` with ``lengths`` ``(batch,)``.

        Returns:
            ``(batch, frames, vocabulary)`` and the valid frames ``(batch,)``.
        """
        feats, lengths = self.front_end(samples, lengths, self.least)
        return self.network(_apply(self.normalise, feats, lengths), lengths)


class FeatureRecogniser(nn.Module):
    """Maps features before normalisation to log-probabilities.

    Args:
        model: An ESPnet ASR model in evaluation mode.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.normalise = normalisation(model.normalize)
        self.least = least_frames(model.encoder)
        self.network = CtcEncoder(model)

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Recognise ``(batch, frames, dim)`` with ``lengths`` ``(batch,)``.

        Returns:
            ``(batch, frames, vocabulary)`` and the valid frames ``(batch,)``.
        """
        feats = _apply(self.normalise, feats, lengths)
        # After the normalisation, where zero is the mean and not a loud sound.
        return self.network(*lengthen(feats, lengths, self.least))


def _apply(
    normalise: Optional[nn.Module], feats: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    return feats if normalise is None else normalise(feats, lengths)
