"""Checks of the dual-mode encoder's options, and the sizes of its chunks."""

from typing import Any, NamedTuple, Optional, Sequence, Union

from torch import nn

from espnet_plugin.dual_mode.layer import LayerSize
from espnet_plugin.errors import UserError

__all__ = [
    "ACTIVATIONS",
    "MODES",
    "SHAPING",
    "Chunking",
    "as_list",
    "check_chunks",
    "layer_sizes",
]

MODES = ("full", "streaming")
ACTIVATIONS = {"swish": nn.SiLU, "relu": nn.ReLU, "gelu": nn.GELU}
# Options that determine the shape or the meaning of weights.
SHAPING = (
    *("output_size", "attention_heads", "head_width", "linear_units", "macaron_units"),
    *("macaron_style", "num_blocks", "input_layer", "front_channels"),
    *("cnn_module_kernel", "conv_channels", "activation_type", "streaming_only"),
)

Sizes = Union[int, Sequence[int], None]


class Chunking(NamedTuple):
    """Numbers of encoder frames in the streaming mode.

    Attributes:
        chunk: Frames that are computed together.
        left: Frames before the chunk to which it attends.
        ahead: Frames after the chunk to which it attends.
    """

    chunk: int
    left: int
    ahead: int


def as_list(value: Union[int, Sequence[int]]) -> list[int]:
    """Return one number or several as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check_chunks(
    chunk_frames: Union[int, Sequence[int]], left: int, ahead: int
) -> list[int]:
    """Return the chunk sizes as a list, after checking them and the context.

    Args:
        chunk_frames: One size or several.
        left: ``left_context_frames``.
        ahead: ``look_ahead_frames``.

    Raises:
        UserError: If a number is out of range.
    """
    chunks = as_list(chunk_frames)
    for chunk in chunks:
        if not _whole(chunk) or chunk < 1:
            raise UserError(
                f"chunk_frames {chunk!r}: must be a whole number, at least 1 frame "
                "(for no chunks, choose mode full)"
            )
    if not chunks:
        raise UserError("chunk_frames []: give one size, or several for training")
    if not _whole(left) or left < 0:
        raise UserError(
            f"left_context_frames {left!r}: must be a whole number, 0 or more (for an "
            "unlimited context, more frames than any utterance has)"
        )
    if not _whole(ahead) or not 0 <= ahead <= min(chunks):
        raise UserError(
            f"look_ahead_frames {ahead!r}: must be a whole number from 0 to the "
            f"smallest of chunk_frames, {min(chunks)}: reduce it, or use larger chunks"
        )
    return chunks


def layer_sizes(
    num_blocks: int,
    width: int,
    heads: Sizes,
    head_width: Optional[int],
    units: Sizes,
    macaron_units: Sizes,
    channels: Sizes,
) -> tuple[list[LayerSize], int]:
    """Return the sizes of each layer, and the width of a head.

    Args:
        num_blocks: Number of layers.
        width: ``output_size``.
        heads: ``attention_heads``, one number for all layers or a list.
        head_width: Width of each head; None: the width divided by the heads.
        units: ``linear_units``, one number for all layers or a list.
        macaron_units: Units of the first feed-forward module; None: ``units``.
        channels: ``conv_channels``; None: the width.

    Raises:
        UserError: If a list has the wrong length, a size is below 1, or the width is
            not a multiple of the heads.
    """
    if not _whole(num_blocks) or num_blocks < 1:
        raise UserError(f"num_blocks {num_blocks!r}: must be at least 1")
    if head_width is None:
        if not _whole(heads) or heads < 1 or width % heads:
            raise UserError(
                f"attention_heads {heads!r}: must divide output_size {width}; "
                "otherwise give head_width as well"
            )
        head_width = width // heads
    options = {
        "attention_heads": heads,
        "linear_units": units,
        "conv_channels": width if channels is None else channels,
        "macaron_units": units if macaron_units is None else macaron_units,
    }
    columns = [_per_layer(name, options[name], num_blocks) for name in options]
    return [LayerSize(*sizes) for sizes in zip(*columns)], head_width


def _per_layer(name: str, value: Sizes, num_blocks: int) -> list[int]:
    values = [value] * num_blocks if _whole(value) else list(value)
    if len(values) != num_blocks:
        raise UserError(
            f"{name} {value!r}: give one number, or one for each of the {num_blocks} "
            "blocks"
        )
    if not all(_whole(number) and number >= 1 for number in values):
        raise UserError(f"{name} {value!r}: must be whole numbers, at least 1")
    return values


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
