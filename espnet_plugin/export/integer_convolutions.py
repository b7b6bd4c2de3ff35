"""Convolutions of 8-bit integers, computed as matrix products.

onnxruntime multiplies matrices of 8-bit integers two to four times as fast as those of
32-bit numbers, but its convolutions of integers are slower than those of 32-bit
numbers. So the windows that a convolution reads are copied side by side, and one matrix
product computes all of them.
"""

from typing import TYPE_CHECKING

import numpy as np

from espnet_plugin.export.rounded import rounded

if TYPE_CHECKING:
    import onnx

__all__ = ["as_integer_product", "can_be_product"]

# With fewer input channels, copying the windows takes longer than the product saves.
_LEAST_CHANNELS = 16
_END = np.iinfo(np.int64).max


def can_be_product(node: "onnx.NodeProto", weight: "onnx.TensorProto") -> bool:
    """Return whether :func:`as_integer_product` takes a node.

    Args:
        node: A node of any kind.
        weight: The constant that is its second input.
    """
    if node.op_type != "Conv" or len(weight.dims) != 4:
        return False
    if weight.dims[1] < _LEAST_CHANNELS:
        return False
    given = _attributes(node)
    return (
        given.get("group", 1) == 1
        and given.get("auto_pad", b"NOTSET") == b"NOTSET"
        and not any(given.get("pads", []))
        and all(step == 1 for step in given.get("dilations", []))
    )


def as_integer_product(graph: "onnx.GraphProto", node: "onnx.NodeProto") -> None:
    """Replace a convolution with a product of 8-bit integers.

    Its input gets one scale and one zero point in each run, as those of other products,
    its weight a scale per output channel.

    Args:
        graph: It is changed.
        node: One of its nodes; :func:`can_be_product`.
    """
    import onnx

    (weight,) = [t for t in graph.initializer if t.name == node.input[1]]
    values = onnx.numpy_helper.to_array(weight)
    outputs, kernel = values.shape[0], values.shape[2:]
    strides = _attributes(node).get("strides", [1, 1])
    # A row for each row of the window, column and input channel, in this order.
    matrix = values.transpose(2, 3, 1, 0).reshape(-1, outputs)
    integers, scale = rounded(matrix, axis=0)
    name = node.name
    constants = {
        f"{name}_weight_quantized": integers,
        f"{name}_weight_scale": scale.reshape(-1),
        f"{name}_axes": np.array([1, 2], np.int64),
        f"{name}_steps": np.array(strides, np.int64),
    }
    make = onnx.helper.make_node
    quantised = [f"{name}_input", f"{name}_input_scale", f"{name}_input_zero"]
    nodes = [
        make("DynamicQuantizeLinear", [node.input[0]], quantised),
        # (batch, rows, columns, channels)
        make("Transpose", quantised[:1], [f"{name}_last"], perm=[0, 2, 3, 1]),
    ]
    parts = []
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            part = f"{name}_{row}_{column}"
            ends = [_end(row, kernel[0]), _end(column, kernel[1])]
            constants[f"{part}_start"] = np.array([row, column], np.int64)
            constants[f"{part}_end"] = np.array(ends, np.int64)
            bounds = [f"{part}_start", f"{part}_end", f"{name}_axes", f"{name}_steps"]
            nodes.append(make("Slice", [f"{name}_last", *bounds], [part]))
            parts.append(part)
    windows, product = f"{name}_windows", f"{name}_product"
    factors = [windows, f"{name}_weight_quantized", quantised[2]]
    nodes += [
        make("Concat", parts, [windows], axis=3),
        make("MatMulInteger", factors, [product], name),
        make("Cast", [product], [f"{name}_float"], to=onnx.TensorProto.FLOAT),
        make("Mul", [quantised[1], f"{name}_weight_scale"], [f"{name}_scale"]),
        make("Mul", [f"{name}_float", f"{name}_scale"], [f"{name}_scaled"]),
    ]
    result = f"{name}_scaled"
    if len(node.input) > 2:
        result = f"{name}_shifted"
        nodes.append(make("Add", [f"{name}_scaled", node.input[2]], [result]))
    nodes.append(make("Transpose", [result], [node.output[0]], perm=[0, 3, 1, 2]))
    graph.initializer.remove(weight)
    for key, array in constants.items():
        graph.initializer.append(onnx.numpy_helper.from_array(array, key))
    place = next(n for n, other in enumerate(graph.node) if other.name == name)
    del graph.node[place]
    for following in reversed(nodes):
        graph.node.insert(place, following)


def _attributes(node: "onnx.NodeProto") -> dict:
    import onnx

    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _end(offset: int, size: int) -> int:
    """Return where a slice ends that starts at ``offset`` of each window."""
    return offset - (size - 1) or _END
