"""torch's counter of operations, with one of its formulas corrected."""

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_backward_flop

__all__ = ["flop_counter"]


def flop_counter() -> FlopCounterMode:
    """Return a counter of floating-point operations, a context manager.

    torch (2.11) counts the weight gradient of a grouped convolution as if it were not
    grouped. For the depthwise convolutions of a Conformer of width 256, the count is
    256 times too high, and higher than that of the rest of the layer.
    """
    return FlopCounterMode(
        display=False,
        custom_mapping={torch.ops.aten.convolution_backward: _conv_backward},
    )


def _conv_backward(
    grad_out_shape,
    x_shape,
    w_shape,
    bias,
    stride,
    padding,
    dilation,
    transposed,
    output_padding,
    groups,
    output_mask,
    out_shape,
) -> int:
    """Count as torch does, but divide the weight gradient by the number of groups."""

    def count(mask: list[bool]) -> int:
        return conv_backward_flop(
            grad_out_shape,
            x_shape,
            w_shape,
            bias,
            stride,
            padding,
            dilation,
            transposed,
            output_padding,
            groups,
            mask,
            out_val=out_shape,
        )

    inputs = count([output_mask[0], False, False])
    return inputs + count([False, output_mask[1], False]) // groups
