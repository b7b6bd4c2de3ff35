"""How fast a streaming encoder is, chunk by chunk."""

import statistics
import time
from typing import Any, Mapping

import humanfriendly
import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.streaming import initial_state
from espnet_plugin.errors import UserError

__all__ = ["chunk_rtf", "frames_ms"]

_HOP_MS = 10.0  # of precomputed features
_DEFAULT_RATE, _DEFAULT_HOP, _DEFAULT_WINDOW = 16000, 128, 512  # ESPnet's front end's


def frames_ms(config: Mapping[str, Any]) -> dict[str, float]:
    """Return ``hop_ms`` of the features and, for models of audio, ``window_ms``.

    Args:
        config: Configuration of the experiment, as ``config.yaml`` holds it.
    """
    if config.get("frontend") is None:
        return {"hop_ms": _HOP_MS}
    conf = config.get("frontend_conf") or {}
    rate = conf.get("fs", _DEFAULT_RATE)
    rate = humanfriendly.parse_size(rate) if isinstance(rate, str) else rate
    return {
        "hop_ms": 1000.0 * conf.get("hop_length", _DEFAULT_HOP) / rate,
        "window_ms": 1000.0 * conf.get("n_fft", _DEFAULT_WINDOW) / rate,
    }


def chunk_rtf(
    encoder: DualModeConformerEncoder,
    hop_ms: float = 10.0,
    chunks: int = 60,
    threads: int = 1,
) -> dict[str, Any]:
    """Measure the time to compute one chunk, relative to its audio.

    Each call gets the features of one chunk and returns one chunk. This is the work of
    a device between two chunks, without computing the features. The left context is
    full before the measurement starts.

    Args:
        encoder: The encoder; its mode is left as it was.
        hop_ms: Time from one feature frame to the next in ms.
        chunks: Number of chunks that are timed.
        threads: Threads of torch while measuring; restored afterwards.

    Returns:
        ``chunk_rtf`` (computing time / duration of the audio, the median),
        ``chunk_ms`` (computing time, the median), ``chunk_ms_p95`` (its 95th
        percentile), ``chunk_frames`` and ``chunk_audio_ms``.

    Raises:
        UserError: If ``chunks`` or ``threads`` is below 1.
    """
    if chunks < 1 or threads < 1:
        raise UserError(f"chunks {chunks}, threads {threads}: must be at least 1")
    training, before = encoder.training, torch.get_num_threads()
    encoder.eval()
    try:
        torch.set_num_threads(threads)
        state = initial_state(encoder)
        chunk, left, _ = state.chunking
        frames = chunk * encoder.embed.stride
        width = encoder.options["input_size"]
        generator = torch.Generator().manual_seed(0)
        warm = 2 + -(-left // chunk)
        taken = []
        for number in range(warm + chunks):
            features = torch.randn(1, frames, width, generator=generator)
            features = features.to(encoder.after_norm.weight)
            start = time.perf_counter()
            _, state = encoder.stream(features, state)
            if number >= warm:
                taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
        encoder.train(training)
    audio = frames * hop_ms / 1000.0
    return {
        "chunk_rtf": statistics.median(taken) / audio,
        "chunk_ms": 1000.0 * statistics.median(taken),
        "chunk_ms_p95": 1000.0 * sorted(taken)[int(0.95 * (len(taken) - 1))],
        "chunk_frames": chunk,
        "chunk_audio_ms": 1000.0 * audio,
    }
