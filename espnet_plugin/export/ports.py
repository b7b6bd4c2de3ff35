"""Inputs and outputs of exported graphs, for each form of graph."""

from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np
import torch

from espnet_plugin.export.facts import DEFAULT_FRONT_END, ModelFacts
from espnet_plugin.export.graph.front_end import LogMelFrontEnd
from espnet_plugin.export.graph.kaldi_front_end import KaldiFrontEnd
from espnet_plugin.export.graph.recogniser import FeatureRecogniser, SampleRecogniser
from espnet_plugin.export.source import Source

__all__ = [
    "NEVER",
    "TOLERANCE",
    "FeaturesPort",
    "LengthsPort",
    "Port",
    "SamplesPort",
    "SpeechPort",
    "features_example",
    "front_end_of",
    "padded",
]

# Largest difference of natural log-probabilities.
TOLERANCE = 1e-4
# Log-probability of tokens that must never be the best ones.
NEVER = -1e4
_EXAMPLE_S = 1.5


@dataclass(frozen=True)
class Port:
    """Names and shapes of a graph's inputs and outputs.

    Attributes:
        kind: Type of the input, ``samples`` or ``features``.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        axes: Axes of free length by name, as torch's exporter takes them.
        batches: Whether several utterances can be given at once.
        masked: Indices of tokens that the graph never makes the best ones.
        tolerance: Allowed difference of log-probabilities from ESPnet's.
        least_same: Least share of utterances with the same recognised tokens.
        size: Samples or feature frames that every input has, longer utterances being
            refused and shorter ones padded. Any number if None.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]]
    batches: bool = True
    masked: tuple[int, ...] = ()
    tolerance: float = TOLERANCE
    least_same: float = 1.0
    size: Optional[int] = None

    def build(self, source: Source) -> torch.nn.Module:
        """Return the graph's module for a model."""
        raise NotImplementedError

    def example(self, facts: ModelFacts) -> tuple[torch.Tensor, ...]:
        """Return inputs to trace the module with."""
        raise NotImplementedError

    def feed(self, speech: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the inputs for utterances: samples or features each."""
        raise NotImplementedError

    def read(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the log-probabilities ``(frames, vocabulary)`` of each utterance."""
        raise NotImplementedError

    def masks(self, log_probs: np.ndarray) -> np.ndarray:
        """Return a copy in which the masked tokens cannot win."""
        log_probs = log_probs.copy()
        log_probs[:, list(self.masked)] = NEVER
        return log_probs


def padded(
    items: Sequence[np.ndarray], size: Optional[int] = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return utterances as one array with zeros at the ends, and their lengths.

    Args:
        items: Samples or features of each utterance.
        size: Length of the array; the largest of the utterances if not given.
    """
    lengths = np.array([len(item) for item in items], dtype=np.int64)
    most = int(lengths.max()) if size is None else size
    shape = (len(items), most) + items[0].shape[1:]
    batch = np.zeros(shape, dtype=np.float32)
    for row, item in zip(batch, items):
        row[: len(item)] = item
    return batch, lengths


def front_end_of(source: Source) -> torch.nn.Module:
    """Return the front end of a model that takes samples, for the graph."""
    facts = source.facts
    if facts.front_end == DEFAULT_FRONT_END:
        return LogMelFrontEnd(source.model.frontend)
    return KaldiFrontEnd(facts.sample_rate, facts.feature_dim)


def features_example(facts: ModelFacts) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two utterances of random features ``(2, 150, dim)``, and lengths."""
    lengths = torch.tensor([150, 112])
    return torch.randn(2, 150, facts.feature_dim), lengths


class LengthsPort(Port):
    """A port whose inputs and outputs are arrays with padding, and their lengths."""

    def feed(self, speech: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self.inputs, padded(speech, self.size)))

    def read(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [row[:count] for row, count in zip(outputs[0], outputs[1])]


class SpeechPort(LengthsPort):
    """``samples`` or ``features``, and ``lengths`` to log-probabilities and theirs.

    Args:
        kind: Name of the first input.
        time: Name of its axis of free length.
        size: See :class:`Port`; then there is one utterance, and no axis is free.
    """

    def __init__(self, kind: str, time: str, size: Optional[int]):
        axes = {
            kind: {0: "batch", 1: time},
            "lengths": {0: "batch"},
            "log_probs": {0: "batch", 1: "frames"},
            "log_probs_lengths": {0: "batch"},
        }
        super().__init__(
            kind,
            (kind, "lengths"),
            ("log_probs", "log_probs_lengths"),
            axes if size is None else {},
            batches=size is None,
            size=size,
        )


class SamplesPort(SpeechPort):
    """``samples`` (N, S) and ``lengths`` (N) to log-probabilities and their lengths."""

    def __init__(self, size: Optional[int] = None):
        super().__init__("samples", "samples", size)

    def build(self, source: Source) -> torch.nn.Module:
        return SampleRecogniser(source.model, front_end_of(source), self.size)

    def example(self, facts: ModelFacts) -> tuple[torch.Tensor, ...]:
        if self.size is not None:
            return 0.1 * torch.randn(1, self.size), torch.tensor([self.size])
        count = int(_EXAMPLE_S * facts.sample_rate)
        lengths = torch.tensor([count, count * 3 // 4])
        return 0.1 * torch.randn(2, count), lengths


class FeaturesPort(SpeechPort):
    """``features`` (N, T, F) and ``lengths`` (N) to the same."""

    def __init__(self, size: Optional[int] = None):
        super().__init__("features", "feature_frames", size)

    def build(self, source: Source) -> torch.nn.Module:
        return FeatureRecogniser(source.model, self.size)

    def example(self, facts: ModelFacts) -> tuple[torch.Tensor, ...]:
        if self.size is not None:
            feats = torch.randn(1, self.size, facts.feature_dim)
            return feats, torch.tensor([self.size])
        return features_example(facts)
