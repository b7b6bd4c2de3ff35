"""A file of a :class:`WenetGraph`, called chunk by chunk as sherpa-onnx calls it."""

import numpy as np

from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.streaming.wenet_graph import WenetGraph

__all__ = ["run_chunks"]


def run_chunks(
    model: OnnxModel, source: StreamingSource, graph: WenetGraph, features: np.ndarray
) -> np.ndarray:
    """Return the log-probabilities of all full chunks of an utterance.

    Args:
        model: The file, in 32 or 8 bits.
        source: The model that it was exported from.
        graph: The graph that was written.
        features: What sherpa-onnx computes, ``(1, frames, graph.feature_dim)``.

    Returns:
        ``(chunks * chunk_frames, tokens)``; no rows if there is no full chunk.
    """
    chunk, left, _ = source.chunking
    shift = chunk * graph.stride
    feed = dict(zip(graph.inputs, (item.numpy() for item in graph.example())))
    for name in ("attn_cache", "conv_cache"):
        feed[name] = np.zeros_like(feed[name])
    found = [np.zeros((0, graph.tokens), np.float32)]
    last = features.shape[1] - graph.frames
    for number, start in enumerate(range(0, last + 1, shift)):
        feed["x"] = features[:, start : start + graph.frames]
        feed["attn_mask"] = np.ones_like(feed["attn_mask"])
        feed["attn_mask"][..., : max(0, left - number * chunk)] = False
        feed["offset"] = np.array([left + number * chunk])
        log_probs, feed["attn_cache"], feed["conv_cache"] = model.run(feed)
        found.append(log_probs[0])
    return np.concatenate(found)
