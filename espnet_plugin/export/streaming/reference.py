"""Outputs of torch's ``stream()``, with which the exported model is compared."""

import numpy as np
import torch

from espnet_plugin.dual_mode.streaming import initial_state
from espnet_plugin.export.streaming.source import StreamingSource

__all__ = ["torch_stream"]

# Features at a time: no divisor of any chunk, so that pieces and chunks differ.
_PIECE = 13


@torch.inference_mode()
def torch_stream(
    source: StreamingSource, features: torch.Tensor, last: bool = True
) -> np.ndarray:
    """Return log-probabilities ``(frames, tokens)`` by ``stream()``, piece by piece.

    Args:
        source: The model.
        features: ``(1, frames, features)``, normalised.
        last: Whether the rest comes out that fills no chunk.
    """
    encoder = source.encoder
    state = initial_state(encoder, chunk_frames=source.chunking.chunk)
    found = []
    for piece in features.split(_PIECE, dim=1):
        frames, state = encoder.stream(piece, state)
        found.append(frames)
    if last:
        frames, state = encoder.stream(features[:, :0], state, last=True)
        found.append(frames)
    frames = torch.cat([features.new_zeros(1, 0, encoder.output_size()), *found], 1)
    return source.output(frames).log_softmax(-1)[0].numpy()
