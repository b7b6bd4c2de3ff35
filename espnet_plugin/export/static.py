"""Remove from a graph everything that computes sizes."""

import os
from pathlib import Path

from espnet_plugin.errors import UserError

__all__ = ["make_static", "unknown_sizes"]


def make_static(path: Path) -> None:
    """Compute what does not depend on the input, once, and check that sizes do not.

    onnxruntime does it, at the level of optimisation that leaves only operators of the
    ONNX standard.

    Args:
        path: The file, whose inputs have fixed sizes; it is replaced.

    Raises:
        UserError: If the size of a tensor still depends on the input.
    """
    import onnx
    import onnxruntime

    before = onnx.load(str(path))
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(scratch)
    options.log_severity_level = 3
    try:
        onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        model = onnx.load(str(scratch))
    except Exception as error:  # onnxruntime has error classes of its own
        raise UserError(
            f"{path.name}: onnxruntime could not write a graph of fixed size "
            f"({type(error).__name__}: {str(error)[:200]}): is the disk full? Without "
            "--fixed_seconds the other files are written"
        ) from error
    finally:
        scratch.unlink(missing_ok=True)
    # It lists its own domains, which no operator is of, and other compilers refuse.
    del model.opset_import[:]
    model.opset_import.extend(before.opset_import)
    model.ir_version, model.producer_name = before.ir_version, before.producer_name
    del model.metadata_props[:]
    model.metadata_props.extend(before.metadata_props)
    onnx.checker.check_model(model)
    unknown = unknown_sizes(model)
    if unknown:
        raise UserError(
            f"{path.name}: the sizes of {len(unknown)} tensors still depend on the "
            f"input ({', '.join(unknown[:3])}): this model cannot be exported with "
            "--fixed_seconds"
        )
    onnx.save(model, str(path))


def unknown_sizes(model: "onnx.ModelProto") -> list[str]:  # noqa: F821
    """Return the tensors of a model whose sizes ONNX cannot infer."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = {
        value.name
        for value in (*graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
        and all(d.HasField("dim_value") for d in value.type.tensor_type.shape.dim)
    }
    names = (name for node in graph.node for name in node.output if name)
    return [name for name in names if name not in known]
