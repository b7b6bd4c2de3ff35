"""Times of the frames of a model's output in its input."""

import logging
from typing import Any, Callable, Mapping, Optional

import numpy as np

from espnet_plugin.data.frame_centres import frame_centres
from espnet_plugin.errors import UserError
from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.recognise.words import FrameTimes

__all__ = [
    "exported_frame_times",
    "known_frame_times",
    "measure_frame_times",
    "stream_frame_times",
]

_SHORT_SECONDS, _LONG_SECONDS = 2.0, 12.0


def measure_frame_times(
    log_posteriors: Callable[[np.ndarray], np.ndarray],
    sample_rate: int,
    most: Optional[int] = None,
) -> FrameTimes:
    """Derive frame times from the numbers of frames for two lengths of noise.

    The audio that no frame covers is assumed to be lost equally at both ends. If that
    is wrong, the time of the first frame is wrong; the step from frame to frame is
    exact.

    Args:
        log_posteriors: Function from samples ``(samples,)`` to ``(frames,
        vocabulary)``.
        sample_rate: Sampling rate in Hz.
        most: Largest number of samples that the function takes; any if not given.

    Raises:
        UserError: If the longer noise does not give more frames than the shorter one.
    """
    longest, shortest = _LONG_SECONDS, _SHORT_SECONDS
    if most is not None and most < longest * sample_rate:
        longest = most / sample_rate
        shortest = longest * _SHORT_SECONDS / _LONG_SECONDS
    noise = np.random.default_rng(0).standard_normal(int(longest * sample_rate))
    noise = (0.01 * noise).astype(np.float32)
    short, long = (
        len(log_posteriors(noise[: int(seconds * sample_rate)]))
        for seconds in (shortest, longest)
    )
    if short < 1 or long <= short:
        raise UserError(
            f"the model makes {short} frames from {shortest:g} s of audio and "
            f"{long} from {longest:g} s, so the times of words cannot be computed"
        )
    step = (longest - shortest) / (long - short)
    first = (shortest - (short - 1) * step) / 2
    logging.info(
        "measured frame times: a frame every %.1f ms, the first at %.1f ms",
        1000 * step,
        1000 * first,
    )
    return FrameTimes(step, first)


def known_frame_times(
    model: Any, config: Mapping[str, Any], sample_rate: int
) -> Optional[FrameTimes]:
    """Compute the times of the frames of an ESPnet model.

    The arguments are those of :func:`espnet_plugin.data.frame_centres.frame_centres`.

    Returns:
        The times; None if the arithmetic of a part before the encoder is not known.
    """
    centres = frame_centres(model, config, sample_rate)
    return None if centres is None else FrameTimes(centres.step, centres.first)


def exported_frame_times(meta: ExportMeta) -> Optional[FrameTimes]:
    """Read the times of the frames of an export for whole utterances.

    Args:
        meta: The facts in its ``meta.json``.

    Returns:
        The times; None for an export of an earlier version, which has not recorded
        them, and for one whose graph repeats frames (``sherpa-onnx``).
    """
    first, step = meta.model.get("first_frame_ms"), meta.frame_ms
    numbers = all(isinstance(one, (int, float)) for one in (first, step))
    if meta.target != "onnx" or not numbers:
        return None
    return FrameTimes(step / 1000, first / 1000)


def stream_frame_times(meta: ExportMeta) -> FrameTimes:
    """Compute the times of the frames of a streaming export.

    Args:
        meta: Content of its ``meta.json``.
    """
    framing, stream, rate = meta.framing, meta.streaming, meta.sample_rate
    # In samples: the centre of the first feature frame, then the centre of the feature
    # frames from which the encoder's first frame is computed.
    centre = framing["size"] / 2 - framing["before"]
    centre += (stream["span"] - 1) / 2 * framing["hop"]
    return FrameTimes(stream["stride"] * framing["hop"] / rate, centre / rate)
