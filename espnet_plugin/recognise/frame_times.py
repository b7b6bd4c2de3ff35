"""Where the frames of a model's output lie in its input."""

import logging
from typing import Any, Callable, Mapping

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.words import FrameTimes

__all__ = ["measure_frame_times", "stream_frame_times"]

_SHORT_SECONDS, _LONG_SECONDS = 2.0, 12.0


def measure_frame_times(
    log_posteriors: Callable[[np.ndarray], np.ndarray], sample_rate: int
) -> FrameTimes:
    """Count the frames that a model makes of two lengths of noise.

    Of what is lost at the edges, half is taken to be lost at each: the first frame may
    be off by as much as that is wrong, the step from frame to frame is exact.

    Args:
        log_posteriors: From samples to ``(frames, vocabulary)``.
        sample_rate: Rate of the samples, in Hz.

    Raises:
        UserError: If the longer noise does not make more frames than the shorter one.
    """
    noise = np.random.default_rng(0).standard_normal(int(_LONG_SECONDS * sample_rate))
    noise = (0.01 * noise).astype(np.float32)
    short, long = (
        len(log_posteriors(noise[: int(seconds * sample_rate)]))
        for seconds in (_SHORT_SECONDS, _LONG_SECONDS)
    )
    if short < 1 or long <= short:
        raise UserError(
            f"the model makes {short} frames from {_SHORT_SECONDS:g} s of audio and "
            f"{long} from {_LONG_SECONDS:g} s, so the times of words cannot be "
            "computed"
        )
    step = (_LONG_SECONDS - _SHORT_SECONDS) / (long - short)
    first = (_SHORT_SECONDS - (short - 1) * step) / 2
    logging.info(
        "measured frame times: a frame every %.1f ms, the first at %.1f ms",
        1000 * step,
        1000 * first,
    )
    return FrameTimes(step, first)


def stream_frame_times(meta: Mapping[str, Any]) -> FrameTimes:
    """Work out where the frames of a streaming export lie.

    Args:
        meta: Its ``meta.json``.
    """
    framing, stream, rate = meta["framing"], meta["streaming"], meta["sample_rate"]
    # In samples: the centre of the first feature frame, and of the features that the
    # first frame of the encoder is made of.
    centre = framing["size"] / 2 - framing["before"]
    centre += (stream["span"] - 1) / 2 * framing["hop"]
    return FrameTimes(stream["stride"] * framing["hop"] / rate, centre / rate)
