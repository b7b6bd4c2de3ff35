"""Number of frames that a model computes for an utterance, and that CTC needs."""

from typing import Any, Hashable, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.names import DUAL_MODE

__all__ = [
    "ctc_frames_needed",
    "encoder_frame_centres",
    "encoder_frames",
    "feature_frames",
    "input_layer_of",
]

# (kernel, stride) along time of each convolution of ESPnet's sub-sampling layers
# (espnet2/legacy/nets/pytorch_backend/transformer/subsampling.py).
_CONVOLUTIONS: dict[Optional[str], tuple[tuple[int, int], ...]] = {
    "conv1d1": ((3, 1), (3, 1)),
    "conv1d2": ((3, 1), (3, 2)),
    "conv1d3": ((3, 1), (5, 3)),
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
    "linear": (),
    "wav2vec": (),
    None: (),
}
# Encoders whose default ``input_layer`` is conv2d.
_CONV2D_BY_DEFAULT = (
    "conformer",
    "transformer",
    "transformer_multispkr",
    "branchformer",
    "e_branchformer",
    "contextual_block_conformer",
    "contextual_block_transformer",
    "longformer",
    "multiconv_conformer",
    DUAL_MODE,
)


def feature_frames(num_samples: int, hop_length: int) -> int:
    """Return the frames of ESPnet's centred STFT for ``num_samples`` samples."""
    return num_samples // hop_length + 1


def input_layer_of(config: Mapping[str, Any]) -> tuple[Optional[str], bool]:
    """Return a model's sub-sampling layer, and whether its arithmetic is known.

    For an unknown layer, ``linear`` is returned: no layer gives more frames.

    Args:
        config: A configuration of ESPnet's ASR task.
    """
    conf = config.get("encoder_conf") or {}
    if "input_layer" in conf:
        layer = conf["input_layer"]
        return (layer, True) if layer in _CONVOLUTIONS else ("linear", False)
    known = config.get("encoder") in _CONV2D_BY_DEFAULT
    return ("conv2d", True) if known else ("linear", False)


def encoder_frames(num_frames: int, input_layer: Optional[str]) -> int:
    """Return the encoder's output frames for ``num_frames`` feature frames.

    Args:
        num_frames: Feature frames, e.g. one per 10 ms.
        input_layer: ``encoder_conf.input_layer`` of the ESPnet configuration; None
            means a layer that keeps every frame.

    Raises:
        UserError: If the layer is not one of ESPnet's sub-sampling layers.
    """
    if input_layer not in _CONVOLUTIONS:
        raise UserError(
            f"encoder_conf.input_layer: {input_layer!r} is not one of "
            f"{', '.join(filter(None, _CONVOLUTIONS))}"
        )
    for kernel, stride in _CONVOLUTIONS[input_layer]:
        num_frames = max((num_frames - kernel) // stride + 1, 0)
    return num_frames


def encoder_frame_centres(input_layer: Optional[str]) -> tuple[float, int]:
    """Return where the encoder's frames lie among the feature frames.

    Args:
        input_layer: See :func:`encoder_frames`.

    Returns:
        The feature frame in the middle of those that output frame 0 is computed from,
        and the number of feature frames from one output frame to the next.

    Raises:
        UserError: If the layer is not one of ESPnet's sub-sampling layers.
    """
    encoder_frames(0, input_layer)  # raises an error for an unknown layer
    first, step = 0.0, 1
    for kernel, stride in _CONVOLUTIONS[input_layer]:
        first += step * (kernel - 1) / 2
        step *= stride
    return first, step


def ctc_frames_needed(tokens: Sequence[Hashable]) -> int:
    """Return the fewest frames that CTC can align to ``tokens``.

    It needs one frame per token, and a blank between two equal neighbours (Graves et
    al. 2006, section 3.2).
    """
    return len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:]))
