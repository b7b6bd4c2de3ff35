"""Where the frames of an ESPnet model's output lie in the audio."""

from typing import Any, Mapping, NamedTuple, Optional

from espnet_plugin.data.frames import encoder_frame_centres, input_layer_of

__all__ = ["FrameCentres", "frame_centres"]


class FrameCentres(NamedTuple):
    """Centres of the audio from which frames are computed.

    Attributes:
        first: Centre of frame 0, in seconds from the first sample.
        step: Time from one frame to the next, in seconds.
    """

    first: float
    step: float


def frame_centres(
    model: Any, config: Mapping[str, Any], sample_rate: int
) -> Optional[FrameCentres]:
    """Compute the centres of a model's frames.

    Args:
        model: An ESPnet ASR model.
        config: Its configuration.
        sample_rate: Sampling rate in Hz.

    Returns:
        The centres; None if the arithmetic of a part before the encoder is not known.
    """
    layer, known = input_layer_of(config)
    stft = getattr(model.frontend, "stft", None)
    plain = model.preencoder is None and model.postencoder is None
    if not known or stft is None or not plain:
        return None
    hop = stft.hop_length / sample_rate
    # By default ESPnet's windows are centred: feature frame 0 is centred on sample 0.
    half = 0.0 if stft.center else stft.n_fft / 2 / sample_rate
    first, step = encoder_frame_centres(layer)
    return FrameCentres(first * hop + half, step * hop)
