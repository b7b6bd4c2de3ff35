#!/usr/bin/env bash
# MNN: attributes of common operators are left out without a message.
#
# MNN runs models on phones; its converter reads ONNX files and is expected to refuse what
# it does not support. These are converted, with the right shapes, into something else:
#
# - LogSoftmax without "axis" (the default of ONNX is the last one) normalises over the
#   first axis, the utterances: with one utterance all log-probabilities are 0. Softmax
#   without "axis" is right.
# - Gemm with transA=1 and constant weights returns the values of the transposed result,
#   with the shape of the right one.
# - ScatterElements and ScatterND with reduction="add" (also "mul", "max" and "min")
#   overwrite: the overlapping frames of an inverse STFT are not added.
# - Conv, MaxPool and AveragePool with auto_pad="SAME_LOWER" pad as with "SAME_UPPER": with
#   an even kernel all frames are moved by one.
# - ArgMax and ArgMin with select_last_index=1 return the first index.
# - Round rounds halves away from zero, not to the even number.
#
# It matters because the model runs and its outputs look plausible. PyTorch's exporters
# write "axis" and explicit paddings; other converters and hand-made files do not. What
# helps: explicit axes and paddings, MatMul after Transpose, and a comparison with another
# runtime.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 MNN==3.6.1
cat > convert.py <<'EOF'
import sys

import _tools  # the converter, a part of MNN

_tools.mnnconvert(["mnnconvert", *sys.argv[1:]])
EOF
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import MNN.expr
import MNN.nn
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

print("MNN", version("MNN"), "onnxruntime", onnxruntime.__version__)
random = np.random.default_rng(0)
KINDS = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
}


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(operator, x, constants, **attributes):
    names = [f"constant{number}" for number in range(len(constants))]
    node = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    whole = TensorProto.INT64 if operator.startswith("Arg") else TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "operator",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", whole, None)],
        [numpy_helper.from_array(value, name) for name, value in zip(names, constants)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    made = onnx.shape_inference.infer_shapes(made)
    onnx.checker.check_model(made)
    return made


def by_onnxruntime(made, x):
    return onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]


def by_mnn(made, x):
    onnx.save(made, "operator.onnx")
    Path("operator.mnn").unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, "convert.py", "-f", "ONNX", "--modelFile", "operator.onnx"]
        + ["--MNNModel", "operator.mnn", "--bizCode", "x"],
        capture_output=True,
        check=True,
    )
    if not Path("operator.mnn").exists():
        sys.exit("CHANGED: refused")
    module = MNN.nn.load_module_from_file("operator.mnn", ["x"], ["y"])
    given = MNN.expr.const(x, list(x.shape), MNN.expr.NCHW, MNN.expr.float)
    out = module.forward([given])
    out = out[0] if isinstance(out, (list, tuple)) else out
    return np.array(MNN.expr.convert(out, MNN.expr.NCHW).read())


def show(what, right, instead, x, constants=()):
    """Compare MNN with the model, and with the one that it computes instead of it."""
    operator = what.split()[0]
    made = model(operator, x, constants, **right)
    found, known = by_mnn(made, x), by_onnxruntime(made, x)
    if found.size != known.size:
        sys.exit("CHANGED: the shape of " + what)
    other = by_onnxruntime(model(operator, x, constants, **instead), x)
    other = other.T if operator == "Gemm" else other
    off, same = (
        float(np.abs(found.reshape(-1).astype(float) - one.reshape(-1)).max())
        for one in (known, other)
    )
    print(f"{what}: {off:.2g} off; {same:.1e} from what is described above")
    if off < 0.05 or same > 1e-4:
        sys.exit("CHANGED: " + what)


frames = normal(3, 7)
show("LogSoftmax without axis", {}, {"axis": 0}, frames)
one = normal(1, 7)
show("LogSoftmax without axis, one utterance", {}, {"axis": 0}, one)
a, weights = normal(4, 3), normal(4, 5)
show("Gemm transA=1", {"transA": 1}, {"transA": 1}, a, [weights])

signal = normal(1, 12)
places = np.array([[1, 1, 2, 3, 3, 3]])
for reduction in ("add", "mul", "max", "min"):
    show(
        f"ScatterElements reduction={reduction}",
        {"axis": 1, "reduction": reduction},
        {"axis": 1},
        signal,
        [places, normal(1, 6)],
    )
rows = [np.array([[1], [1], [3]]), normal(3, 3)]
show("ScatterND reduction=add", {"reduction": "add"}, {}, normal(6, 3), rows)

features = normal(1, 2, 11, 13)
size = {"kernel_shape": [4, 4], "strides": [2, 2]}
lower, upper = ({"auto_pad": f"SAME_{where}", **size} for where in ("LOWER", "UPPER"))
show("Conv SAME_LOWER", lower, upper, features, [normal(3, 2, 4, 4)])
show("MaxPool SAME_LOWER", lower, upper, features)
show("AveragePool SAME_LOWER", lower, upper, features)

equal = np.array([[1, 3, 3, 2, 3]], np.float32)
first = {"axis": 1, "keepdims": 0}
last = {**first, "select_last_index": 1}
show("ArgMax select_last_index=1", last, first, equal)
show("ArgMin select_last_index=1", last, first, -equal)

halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
found = by_mnn(model("Round", halves, []), halves)
print("Round", halves.tolist(), "is", found.tolist(), "and not", np.round(halves).tolist())
if not np.array_equal(found, np.trunc(halves + np.copysign(0.5, halves))):
    sys.exit("CHANGED: Round")

# What is right.
for operator, attributes in (("Softmax", {}), ("LogSoftmax", {"axis": -1})):
    made = model(operator, frames, [], **attributes)
    off = np.abs(by_mnn(made, frames).reshape(3, 7) - by_onnxruntime(made, frames)).max()
    print(f"{operator} {attributes or 'without axis'}: {off:.1e} off")
    if off > 1e-5:
        sys.exit("CHANGED: " + operator)
EOF
