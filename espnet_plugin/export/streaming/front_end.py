"""Features of pieces of an utterance, and how an utterance is cut into them."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.dual_mode.features import StreamingFeatures
from espnet_plugin.export.facts import DEFAULT_FRONT_END
from espnet_plugin.export.graph.framing import frames_of
from espnet_plugin.export.graph.front_end import LogMelFrontEnd
from espnet_plugin.export.graph.kaldi_front_end import KaldiFrontEnd
from espnet_plugin.export.graph.normalise import normalisation
from espnet_plugin.export.streaming.source import StreamingSource

__all__ = ["Framing", "PieceFrontEnd", "framing_of", "stock_features"]


@dataclass(frozen=True)
class Framing:
    """Which samples a feature frame is computed from.

    Attributes:
        size: Samples of a frame.
        hop: Samples from one frame to the next.
        before: Samples mirrored before the first one.
        after: Samples mirrored after the last one.
        skip: 1: the sample at the end itself is not mirrored; 0: it is.
        least: Samples below which an utterance has no frames.
    """

    size: int
    hop: int
    before: int
    after: int
    skip: int
    least: int


def framing_of(source: StreamingSource) -> Framing:
    """Return how the model's front end cuts an utterance."""
    facts = source.facts
    if facts.front_end == DEFAULT_FRONT_END:
        stft = source.model.frontend.stft
        half = stft.n_fft // 2 if stft.center else 0
        return Framing(stft.n_fft, stft.hop_length, half, half, 1, half + 1)
    size, hop = int(0.025 * facts.sample_rate), facts.hop
    # The middle of frame i is at sample (i + 1/2) * hop, and there are as many frames
    # as there are such places in the utterance, rounded.
    before = size // 2 - hop // 2
    return Framing(size, hop, before, size - before - hop // 2, 0, size)


class PieceFrontEnd(nn.Module):
    """Samples of whole frames ``(1, samples)`` to normalised ``(1, frames, features)``.

    The first frame begins with the first sample; nothing is mirrored here.

    Args:
        source: The model.
    """

    def __init__(self, source: StreamingSource):
        super().__init__()
        self.kaldi = source.facts.front_end != DEFAULT_FRONT_END
        self.front_end: nn.Module
        if self.kaldi:
            facts = source.facts
            self.front_end = KaldiFrontEnd(facts.sample_rate, facts.feature_dim)
        else:
            stock = copy.deepcopy(source.model.frontend)
            stock.stft.center = False
            self.front_end = LogMelFrontEnd(stock)
        self.normalise = normalisation(getattr(source.model, "normalize", None))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        lengths = torch.zeros(1, dtype=torch.long) + samples.size(1)
        if self.kaldi:
            front_end = self.front_end
            frames = frames_of(samples, front_end.size, front_end.hop)
            features = front_end.of_frames(frames)
        else:
            features, _ = self.front_end(samples, lengths)
        if self.normalise is None:
            return features
        return self.normalise(features, lengths)


@torch.no_grad()
def stock_features(source: StreamingSource, samples: np.ndarray) -> torch.Tensor:
    """Return what the encoder gets of an utterance, ``(1, frames, features)``.

    By ESPnet's front end, or by torchaudio's Kaldi filter banks.
    """
    model, facts = source.model, source.facts
    normalize = getattr(model, "normalize", None)
    if facts.front_end == DEFAULT_FRONT_END:
        pieces = StreamingFeatures(model.frontend, normalize)
        return pieces.accept(torch.from_numpy(samples), last=True)
    if len(samples) < framing_of(source).least:
        return torch.zeros(1, 0, facts.feature_dim)
    features = kaldi_fbank(samples, facts.sample_rate, facts.feature_dim)
    found = torch.from_numpy(features)[None]
    if normalize is not None:
        found, _ = normalize(found, torch.tensor([found.shape[1]]))
    return found
