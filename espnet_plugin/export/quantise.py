"""Matrix products in eight bits."""

from pathlib import Path
from typing import Sequence

__all__ = ["layer_of", "products_of", "quantise", "quantised_products"]

# The constants of the front end stay exact: features span many orders of magnitude.
_NEVER = "/front_end/"


def products_of(path: Path) -> list[str]:
    """Return the names of the products with a constant matrix, in the file's order."""
    import onnx

    graph = onnx.load(str(path)).graph
    # Of two axes: a scale per channel is of a matrix.
    constants = {t.name for t in graph.initializer if len(t.dims) == 2}
    return [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm")
        and node.input[1] in constants
        and _NEVER not in node.name
    ]


def layer_of(product: str) -> str:
    """Return the layer that a product's name speaks of, in dots."""
    return product.split("network/")[-1].rsplit("/", 1)[0].strip("/").replace("/", ".")


def quantise(source: Path, target: Path, keep: Sequence[str] = ()) -> None:
    """Write a model whose products with constant matrices are of 8-bit integers.

    Products alone, with signed weights and a scale per channel: onnxruntime's defaults
    quantise convolutions as well, which is three times slower than 32-bit numbers.

    Args:
        source: The model in 32-bit numbers.
        target: The file to write.
        keep: Names of products that stay as they are.
    """
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    chosen = [name for name in products_of(source) if name not in set(keep)]
    if not chosen:
        target.write_bytes(source.read_bytes())
        return
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # It recommends a step that fails on these models.
    try:
        quantize_dynamic(
            str(source),
            str(target),
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=[*chosen, *(f"{name}_MatMul" for name in chosen)],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        root.setLevel(level)


def quantised_products(path: Path) -> int:
    """Count the products of integers in a file."""
    import onnx

    kinds = ("MatMulInteger", "QGemm", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
    return sum(node.op_type in kinds for node in onnx.load(str(path)).graph.node)
