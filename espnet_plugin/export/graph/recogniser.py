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
        samples: Number of samples that every input has, longer utterances being none.
            Then no size in the graph depends on the input. Any number if not given.
    """

    def __init__(
        self, model: nn.Module, front_end: nn.Module, samples: Optional[int] = None
    ):
        super().__init__()
        self.front_end = front_end
        self.normalise = normalisation(model.normalize)
        self.least = front_end.least_samples(least_frames(model.encoder))
        self.frames: Optional[int] = None
        if samples is not None:
            silence, count = torch.zeros(1, samples), torch.tensor([samples])
            self.frames = front_end(silence, count, self.least)[0].size(1)
        self.network = CtcEncoder(model)

    def forward(
        self, samples: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Recognise ``(batch, samples)`` with ``lengths`` ``(batch,)``.

        Returns:
            ``(batch, frames, vocabulary)`` and the valid frames ``(batch,)``.
        """
        feats, lengths = self.front_end(samples, lengths, self.least, self.frames)
        return self.network(_apply(self.normalise, feats, lengths), lengths)


class FeatureRecogniser(nn.Module):
    """Maps features before normalisation to log-probabilities.

    Args:
        model: An ESPnet ASR model in evaluation mode.
        frames: Number of frames that every input has, as above.
    """

    def __init__(self, model: nn.Module, frames: Optional[int] = None):
        super().__init__()
        self.normalise = normalisation(model.normalize)
        self.least, self.frames = least_frames(model.encoder), frames
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
        feats, lengths = lengthen(feats, lengths, self.least, self.frames)
        return self.network(feats, lengths)


def _apply(
    normalise: Optional[nn.Module], feats: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    return feats if normalise is None else normalise(feats, lengths)
