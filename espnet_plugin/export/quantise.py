"""Weights in eight bits: matrix products of integers, and stored weights of others."""

from pathlib import Path
from typing import TYPE_CHECKING, Sequence

import numpy as np

from espnet_plugin.export.integer_convolutions import as_integer_product, can_be_product
from espnet_plugin.export.rounded import rounded
from espnet_plugin.export.sparse import store_sparsely

if TYPE_CHECKING:
    import onnx

__all__ = [
    "layer_of",
    "products_of",
    "quantise",
    "quantised_products",
    "stored_of",
]

# The constants of the front end stay exact: features span many orders of magnitude.
_NEVER = "/front_end/"
_STORED = "_stored"


def products_of(path: Path) -> list[str]:
    """Return the names of nodes with 8-bit integers, in the file's order.

    Products with a constant matrix, and convolutions that can be computed as such.
    """
    import onnx

    graph = onnx.load(str(path)).graph
    return [node.name for node in (*_products(graph), *_convolutions(graph))]


def stored_of(path: Path) -> list[str]:
    """Return the names of other operations whose weights can be stored in eight bits.

    Other convolutions, and products with several matrices at once.
    """
    import onnx

    return [node.name for node in _stored(onnx.load(str(path)).graph)]


def _products(graph: "onnx.GraphProto") -> list["onnx.NodeProto"]:
    matrices = {t.name for t in graph.initializer if len(t.dims) == 2}
    return [
        node
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm")
        and node.input[1] in matrices
        and _NEVER not in node.name
    ]


def _convolutions(graph: "onnx.GraphProto") -> list["onnx.NodeProto"]:
    weights = {t.name: t for t in graph.initializer}
    return [
        node
        for node in graph.node
        if node.op_type == "Conv"
        and node.input[1] in weights
        and can_be_product(node, weights[node.input[1]])
        and _NEVER not in node.name
    ]


def _stored(graph: "onnx.GraphProto") -> list["onnx.NodeProto"]:
    weights = {t.name for t in graph.initializer if len(t.dims) > 2}
    products = [node.name for node in _convolutions(graph)]
    return [
        node
        for node in graph.node
        if node.op_type in ("MatMul", "Conv")
        and node.input[1] in weights
        and node.name not in products
        and _NEVER not in node.name
    ]


def layer_of(product: str) -> str:
    """Return the layer that a product's name speaks of, in dots."""
    return product.split("network/")[-1].rsplit("/", 1)[0].strip("/").replace("/", ".")


def quantise(source: Path, target: Path, keep: Sequence[str] = ()) -> None:
    """Write a model with weights in eight bits.

    Products with a constant matrix are of 8-bit integers, with signed weights and a
    scale per channel, and so are the convolutions that are computed as products
    (:mod:`~espnet_plugin.export.integer_convolutions`). Other convolutions (depthwise,
    of a single input channel) are computed in 32 bits, because onnxruntime is slower
    at those of integers: of their weights 8 bits are stored, and the runtime makes
    32-bit numbers of them once, when it loads the file.

    Args:
        source: The model in 32-bit numbers.
        target: The file to write.
        keep: Names of operations that stay as they are.
    """
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(str(source))
    products = [n for n in _products(model.graph) if n.name not in set(keep)]
    stored = [n for n in _stored(model.graph) if n.name not in set(keep)]
    convolutions = [n for n in _convolutions(model.graph) if n.name not in set(keep)]
    if not (products or stored or convolutions):
        target.write_bytes(source.read_bytes())
        return
    for node in stored:
        _store(model.graph, node)
    for node in convolutions:
        as_integer_product(model.graph, node)
    names = [node.name for node in products]
    for node in _products(model.graph):
        if node.op_type == "Gemm":  # The tool renames those that are left.
            _as_product(model.graph, node)
    if not names:
        _save_short(model, target)
        return
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # It recommends a step that fails on these models.
    try:
        quantize_dynamic(
            model,
            str(target),
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=names,
            per_channel=True,
            weight_type=QuantType.QInt8,
            # For tensors without an inferred shape, in a graph with any input length.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    finally:
        root.setLevel(level)
    _save_short(onnx.load(str(target)), target)


def _save_short(model: "onnx.ModelProto", path: Path) -> None:
    """Write a model without unnecessary content: unused names, zeros of constants.

    Names are a fifth of a small file.
    """
    import onnx

    graph = model.graph
    store_sparsely(graph)
    kept = {item.name for item in (*graph.input, *graph.output, *graph.initializer)}
    short: dict[str, str] = {"": ""}
    del graph.value_info[:]
    for node in graph.node:
        if node.op_type not in ("MatMul", "Gemm", "Conv", "MatMulInteger"):
            node.ClearField("name")
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                if name not in kept:
                    values[place] = short.setdefault(name, f"v{len(short)}")
    onnx.save(model, str(path))


def _as_product(graph: "onnx.GraphProto", node: "onnx.NodeProto") -> None:
    """Make a ``Gemm`` a product and an addition, which is what can be quantised."""
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if values.get("transB"):
        (weight,) = [t for t in graph.initializer if t.name == node.input[1]]
        matrix = np.ascontiguousarray(onnx.numpy_helper.to_array(weight).T)
        weight.CopyFrom(onnx.numpy_helper.from_array(matrix, weight.name))
    product = onnx.NodeProto()
    product.CopyFrom(node)
    product.op_type = "MatMul"
    del product.attribute[:]
    del product.input[2:]
    place = next(n for n, other in enumerate(graph.node) if other.name == node.name)
    if values.get("transA"):
        product.input[0] = f"{node.input[0]}_turned"
        turn = onnx.helper.make_node(
            "Transpose", [node.input[0]], [product.input[0]], f"{node.name}_turn"
        )
        graph.node.insert(place, turn)
        place += 1
    if len(node.input) > 2:
        output = f"{node.output[0]}_product"
        product.output[0] = output
        addition = onnx.helper.make_node(
            "Add", [output, node.input[2]], [node.output[0]], f"{node.name}_bias"
        )
        graph.node.insert(place + 1, addition)
    graph.node[place].CopyFrom(product)


def _store(graph: "onnx.GraphProto", node: "onnx.NodeProto") -> None:
    """Store a node's weight as integers with a scale per channel of its output.

    ``Cast`` and ``Mul`` make numbers of it, and not ``DequantizeLinear``: runtimes
    compute the former once, when they fold constants, and the latter in each run.
    """
    import onnx

    name = node.input[1]
    (weight,) = [t for t in graph.initializer if t.name == name]
    values = onnx.numpy_helper.to_array(weight)
    others = tuple(range(1, values.ndim)) if node.op_type == "Conv" else values.ndim - 2
    integers, scale = rounded(values, others)
    graph.initializer.remove(weight)
    graph.initializer.append(onnx.numpy_helper.from_array(integers, name + _STORED))
    graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
    cast = onnx.helper.make_node(
        "Cast", [name + _STORED], [f"{name}_cast"], to=onnx.TensorProto.FLOAT
    )
    product = onnx.helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name])
    graph.node.insert(0, product)
    graph.node.insert(0, cast)


def quantised_products(path: Path) -> int:
    """Count the products of integers in a file."""
    import onnx

    kinds = ("MatMulInteger", "QGemm", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
    return sum(node.op_type in kinds for node in onnx.load(str(path)).graph.node)
