"""Store constants that are mostly zeros by their non-zero values."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["store_sparsely"]

# Smaller constants are not worth three nodes.
_LEAST = 4096


def store_sparsely(graph: "onnx.GraphProto") -> int:
    """Replace constants of a graph that are mostly zeros; return how many.

    Three nodes put the other numbers into zeros. Their inputs are constant, so a
    runtime computes them once, when it loads the file. The values stay exactly the
    same.

    Args:
        graph: It is changed: nodes of the kind ``Constant`` with more than 4096 numbers
            in single precision, of which at least nine in ten are zero.
    """
    import onnx

    changed = 0
    for place in reversed(range(len(graph.node))):
        node = graph.node[place]
        values = _values(node)
        if values is None or values.size <= _LEAST:
            continue
        flat = values.reshape(-1)
        # As bits, so that -0.0 is kept too.
        (places,) = np.nonzero(flat.view(np.uint32))
        if 10 * len(places) > values.size:
            continue
        name = node.output[0]
        parts = {
            "size": np.array([values.size], dtype=np.int64),
            "places": places.astype(np.int32),
            "values": flat[places],
            "shape": np.array(values.shape, dtype=np.int64),
        }
        for part, array in parts.items():
            tensor = onnx.numpy_helper.from_array(array, f"{name}_{part}")
            graph.initializer.append(tensor)
        zeros, whole = f"{name}_zeros", f"{name}_flat"
        scattered = [zeros, f"{name}_places", f"{name}_values"]
        make = onnx.helper.make_node
        new = [
            make("ConstantOfShape", [f"{name}_size"], [zeros]),
            make("ScatterElements", scattered, [whole], axis=0),
            make("Reshape", [whole, f"{name}_shape"], [name]),
        ]
        del graph.node[place]
        for following in reversed(new):
            graph.node.insert(place, following)
        changed += 1
    return changed


def _values(node: "onnx.NodeProto") -> "np.ndarray | None":
    """Return the numbers of a constant in single precision; None of another node."""
    import onnx

    if node.op_type != "Constant" or node.attribute[0].name != "value":
        return None
    tensor = node.attribute[0].t
    if tensor.data_type != onnx.TensorProto.FLOAT:
        return None
    return onnx.numpy_helper.to_array(tensor)
