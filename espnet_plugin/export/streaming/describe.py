"""``meta.json`` of a streaming export."""

from typing import Any, Mapping

from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.export.meta import common_facts, graph_metadata
from espnet_plugin.export.streaming.source import StreamingSource

__all__ = ["describe_stream", "stream_metadata"]


def stream_metadata(source: StreamingSource) -> dict[str, str]:
    """Return the properties in the ONNX files themselves."""
    chunk, left, ahead = source.chunking
    return {
        **graph_metadata(source.facts),
        "chunk_frames": str(chunk),
        "left_context_frames": str(left),
        "look_ahead_frames": str(ahead),
    }


def describe_stream(
    source: StreamingSource, target: str, graph: Mapping[str, Any]
) -> ExportMeta:
    """Return the facts of a streaming export, without any results.

    Args:
        source: The model.
        target: ``onnx`` or ``sherpa-onnx``.
        graph: More facts of the graph, for ``streaming``.
    """
    facts, embed = source.facts, source.encoder.embed
    chunk, left, ahead = source.chunking
    hop_ms = 1000.0 * facts.hop / facts.sample_rate
    window_ms = 25.0
    stft = getattr(getattr(source.model, "frontend", None), "stft", None)
    if stft is not None:
        window_ms = 1000.0 * stft.n_fft / facts.sample_rate
    latency = embed.latency(chunk, ahead, hop_ms, window_ms)
    return ExportMeta(
        **common_facts(facts),
        target=target,
        input="stream",
        streaming={
            "chunk_frames": chunk,
            "left_context_frames": left,
            "look_ahead_frames": ahead,
            "stride": embed.stride,
            "span": embed.span,
            "latency_ms": latency.total_ms,
            **graph,
        },
    )
