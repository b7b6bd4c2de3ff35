"""How many frames a model makes of an utterance, and how many CTC needs."""

from typing import Hashable, Sequence

from espnet_plugin.errors import UserError

__all__ = ["ctc_frames_needed", "encoder_frames", "feature_frames"]

# (kernel, stride) along time of each convolution of ESPnet's sub-sampling layers
# (espnet2/legacy/nets/pytorch_backend/transformer/subsampling.py).
_CONVOLUTIONS = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
    "linear": (),
}


def feature_frames(num_samples: int, hop_length: int) -> int:
    """Return the frames of ESPnet's centred STFT for ``num_samples`` samples."""
    return num_samples // hop_length + 1


def encoder_frames(num_frames: int, input_layer: str) -> int:
    """Return the encoder's output frames for ``num_frames`` feature frames.

    Args:
        num_frames: Feature frames, e.g. one per 10 ms.
        input_layer: ``encoder_conf.input_layer`` of the ESPnet configuration.

    Raises:
        UserError: If the layer is not one of ESPnet's sub-sampling layers.
    """
    if input_layer not in _CONVOLUTIONS:
        raise UserError(
            f"encoder_conf.input_layer: {input_layer!r} is not one of "
            f"{', '.join(_CONVOLUTIONS)}"
        )
    for kernel, stride in _CONVOLUTIONS[input_layer]:
        num_frames = max((num_frames - kernel) // stride + 1, 0)
    return num_frames


def ctc_frames_needed(tokens: Sequence[Hashable]) -> int:
    """Return the fewest frames that CTC can align to ``tokens``.

    One frame a token, and a blank between two equal neighbours (Graves et al. 2006,
    section 3.2).
    """
    return len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:]))
