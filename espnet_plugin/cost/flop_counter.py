"""torch's counter of operations, with what it leaves out on a CPU, and a correction."""

from math import prod

import torch
from torch.utils.flop_counter import (
    FlopCounterMode,
    conv_backward_flop,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

__all__ = ["flop_counter"]

aten = torch.ops.aten


def flop_counter() -> FlopCounterMode:
    """Return a counter of floating-point operations, a context manager.

    torch (2.11 to 2.14) counts the weight gradient of a grouped convolution as if it
    were not grouped. For the depthwise convolutions of a Conformer of width 256, the
    count is 256 times too high, and higher than that of the rest of the layer. On a
    CPU, it counts nothing for fused attention, for LSTM layers and for products of a
    matrix and a vector (``findings/torch_flop_counter.sh``).
    """
    return FlopCounterMode(
        display=False,
        custom_mapping={
            aten.convolution_backward: _conv_backward,
            aten._scaled_dot_product_flash_attention_for_cpu: _sdpa,
            aten._scaled_dot_product_flash_attention_for_cpu_backward: _sdpa_backward,
            aten.mkldnn_rnn_layer: _lstm,
            aten.mkldnn_rnn_layer_backward: _lstm_backward,
            aten.mv: _matrix_vector,
        },
    )


def _sdpa(query, key, value, *args, **kwargs) -> int:
    return sdpa_flop_count(query, key, value)


def _sdpa_backward(grad_out, query, key, value, *args, **kwargs) -> int:
    return sdpa_backward_flop_count(grad_out, query, key, value)


def _lstm(inputs, input_weights, hidden_weights, *args, **kwargs) -> int:
    """One direction of one layer: ``inputs`` has shape ``(frames, batch, width)``."""
    return 2 * inputs[0] * inputs[1] * (prod(input_weights) + prod(hidden_weights))


def _lstm_backward(*args, **kwargs) -> int:
    """Each product of the forward pass is in the gradients of both its factors."""
    return 2 * _lstm(*args, **kwargs)


def _matrix_vector(matrix, vector, *args, **kwargs) -> int:
    return 2 * prod(matrix)


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
