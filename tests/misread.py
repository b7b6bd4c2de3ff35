"""Which parts of a model file converters compute wrongly without a message.

What they do is shown by the scripts in findings/.
"""

import numpy as np
import onnx

# Halves are rounded away from zero; the exponential ends at 87.
_OTHER_VALUES = ("Round", "ReduceLogSumExp", "Softplus")


def misread_by_onnx2tf(path):
    """What it converts wrongly or LiteRT refuses: see findings/README.md."""
    graph = onnx.load(str(path)).graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            value = onnx.numpy_helper.to_array(node.attribute[0].t)
            constants[node.output[0]] = value
    made = {name: node for node in graph.node for name in node.output}

    def before(node, *kinds):
        other = made.get(node.input[0])
        return other if other is not None and other.op_type in kinds else None

    found = []
    for node in graph.node:
        given = [constants[name] for name in node.input if name in constants]
        if node.op_type in ("Clip", "Max"):
            floors = [c for c in given if c.dtype == np.float32]
            found += [node.name for c in floors if (0 < np.abs(c)).all() and (c < 2e-6)]
        elif node.op_type == "Where":
            whole = [c for c in given if c.dtype == np.int64 and c.size == 1]
            found += [node.name] * len(whole)
        elif node.op_type == "Conv":
            weight = constants[node.input[1]]
            if weight.ndim == 3 and weight.shape[1] > 1:
                groups = [a.i for a in node.attribute if a.name == "group"]
                found += [node.name] if groups and groups[0] > 1 else []
        elif node.op_type == "Transpose":
            shaped = before(node, "Reshape")
            source = shaped and (before(shaped, "Relu") or shaped)
            if source is not None and before(source, "Conv") and node.name:
                order = next(a.ints for a in node.attribute if a.name == "perm")
                found += [node.name] if list(order) == [0, 2, 1] else []
    return found


def misread_by_mnn(path):
    """Nodes that MNN computes in another way: see findings/README.md."""
    model = onnx.load(str(path))
    default = {entry.domain: entry.version for entry in model.opset_import}[""]
    assert default >= 13, "before, the default axis of LogSoftmax was another one"
    found = []
    for node in model.graph.node:
        value = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        kind = node.op_type
        if (
            kind in _OTHER_VALUES
            or (kind == "LogSoftmax" and "axis" not in value)
            or (kind == "Gemm" and value.get("transA"))
            or value.get("reduction", b"none") != b"none"
            or value.get("auto_pad") == b"SAME_LOWER"
            or value.get("select_last_index")
            or (kind in ("LSTM", "RNN", "GRU") and value.get("direction") == b"reverse")
            or (kind == "GRU" and not value.get("linear_before_reset"))
            or (kind == "LSTM" and {"clip", "input_forget"} & set(value))
        ):
            found.append(node.name)
    return found
