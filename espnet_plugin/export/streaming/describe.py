"""``meta.json`` of a streaming export."""

from dataclasses import asdict
from typing import Any, Mapping

from espnet_plugin.export.folder import FORMAT
from espnet_plugin.export.meta import graph_metadata
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.versions import package_versions
from espnet_plugin.export.write import OPSET

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
    source: StreamingSource,
    target: str,
    streaming: Mapping[str, Any],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of ``meta.json`` without results of checks and files.

    Args:
        source: The model.
        target: ``onnx`` or ``sherpa-onnx``.
        streaming: Facts of the graph.
        more: Facts of the target.
    """
    facts, embed = source.facts, source.encoder.embed
    chunk, left, ahead = source.chunking
    model = asdict(facts)
    tokens = model.pop("tokens")
    hop_ms = 1000.0 * facts.hop / facts.sample_rate
    window_ms = 25.0
    stft = getattr(getattr(source.model, "frontend", None), "stft", None)
    if stft is not None:
        window_ms = 1000.0 * stft.n_fft / facts.sample_rate
    latency = embed.latency(chunk, ahead, hop_ms, window_ms)
    return {
        "format": FORMAT,
        "target": target,
        "input": "stream",
        "sample_rate": facts.sample_rate,
        "channels": 1,
        "frame_ms": facts.frame_ms,
        "blank": facts.blank,
        "drop": list(facts.drop),
        "token_type": facts.token_type,
        "vocabulary": len(tokens),
        "model": model,
        "streaming": {
            "chunk_frames": chunk,
            "left_context_frames": left,
            "look_ahead_frames": ahead,
            "stride": embed.stride,
            "span": embed.span,
            "latency_ms": latency.total_ms,
            **streaming,
        },
        **more,
        "opset": OPSET,
        "versions": package_versions(),
    }
