"""The chunk as a graph for onnxruntime: features and caches in and out."""

from dataclasses import dataclass

import torch
from torch import nn

from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.streaming.step import ChunkLayers, SubsampledFrames

__all__ = ["Cache", "ChunkGraph", "hidden_keys"]

# Added to the scores of keys that are padding.
_HIDDEN = -1e9


@dataclass(frozen=True)
class Cache:
    """A state that is passed from chunk to chunk.

    Attributes:
        name: Name of the graph's input; the name of the output has the prefix
        ``next_``.
        shape: Shape; at the beginning of an utterance it is zeros.
    """

    name: str
    shape: tuple[int, int]


def hidden_keys(valid: torch.Tensor) -> torch.Tensor:
    """Return values to add to the scores of keys, which hide invalid keys."""
    return torch.where(valid, 0.0, _HIDDEN)


class ChunkGraph(nn.Module):
    """Maps the features of a chunk to its log-probabilities.

    Each frame is subsampled once: frames of the look-ahead are kept for the next call.
    So a call takes the features of ``chunk`` new frames, the last of which is
    ``look-ahead`` frames after the chunk that is returned. A first call, of which only
    the frames are kept, gets the look-ahead of the first chunk.

    Args:
        source: The model.

    Attributes:
        frames: Number of feature frames that a call takes.
        shift: Number of feature frames from one call to the next.
        caches: The states that this model uses.
    """

    def __init__(self, source: StreamingSource):
        super().__init__()
        encoder, self.chunking = source.encoder, source.chunking
        chunk, left, ahead = self.chunking
        embed = encoder.embed
        self.subsample = SubsampledFrames(embed, encoder.output_size() ** 0.5)
        self.layers = ChunkLayers(encoder, source.output, self.chunking)
        self.shift = chunk * embed.stride
        self.frames = self.shift + embed.span - embed.stride
        self.features = encoder.options["input_size"]
        every = (
            Cache("frames", (ahead, encoder.output_size())),
            Cache("attention", (left, sum(self.layers.attention))),
            Cache("convolution", (self.layers.reach, sum(self.layers.convolution))),
        )
        self.every, self.caches = every, [cache for cache in every if cache.shape[0]]

    @property
    def inputs(self) -> list[str]:
        """Names, in order."""
        return ["features", "before", "present", *(c.name for c in self.caches)]

    @property
    def outputs(self) -> list[str]:
        """Names, in order."""
        return ["log_probs", *(f"next_{cache.name}" for cache in self.caches)]

    def example(self) -> tuple[torch.Tensor, ...]:
        """Return inputs to trace the module with."""
        chunk, left, ahead = self.chunking
        return (
            torch.randn(1, self.frames, self.features),
            torch.tensor(left),
            torch.tensor(chunk + ahead),
            *(torch.randn(cache.shape) for cache in self.caches),
        )

    def forward(
        self,
        features: torch.Tensor,
        before: torch.Tensor,
        present: torch.Tensor,
        *caches: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Encode a chunk.

        Args:
            features: ``(1, self.frames, features)``, normalised.
            before: ``()``, encoder frames that the utterance has before the chunk, as
                far as the left context reaches.
            present: ``()``, encoder frames that it has from the chunk on, as far as
                the look-ahead reaches.
            caches: What the last call returned.

        Returns:
            Log-probabilities ``(chunk, tokens)`` and the caches for the next call.
        """
        chunk, left, ahead = self.chunking
        given = dict(zip((cache.name for cache in self.caches), caches))
        old = [given.get(c.name, features.new_zeros(c.shape)) for c in self.every]
        x = self.subsample(features)
        if ahead:
            x = torch.cat([old[0], x])
        place = torch.arange(left + chunk + ahead)
        valid = (place >= left - before) & (place < left + present)
        log_probs, *new = self.layers(x, hidden_keys(valid), *old[1:])
        names = [cache.name for cache in self.every]
        found = dict(zip(names, [x[chunk:], *new]))
        return (log_probs, *(found[cache.name] for cache in self.caches))
