"""Checks of the dual-mode encoder's options, and the sizes of its layers."""

from typing import Any, Optional, Sequence, Union

from torch import nn

from espnet_plugin.dual_mode.layer import LayerSize
from espnet_plugin.errors import UserError

__all__ = [
    "ACTIVATIONS",
    "MODES",
    "SHAPING",
    "as_list",
    "is_whole",
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


def as_list(value: Union[int, Sequence[int]]) -> list[int]:
    """Return one number or several as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


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
    if not is_whole(num_blocks) or num_blocks < 1:
        raise UserError(f"num_blocks {num_blocks!r}: must be at least 1")
    if head_width is None:
        if not is_whole(heads) or heads < 1 or width % heads:
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
    values = [value] * num_blocks if is_whole(value) else list(value)
    if len(values) != num_blocks:
        raise UserError(
            f"{name} {value!r}: give one number, or one for each of the {num_blocks} "
            "blocks"
        )
    if not all(is_whole(number) and number >= 1 for number in values):
        raise UserError(f"{name} {value!r}: must be whole numbers, at least 1")
    return values


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)
