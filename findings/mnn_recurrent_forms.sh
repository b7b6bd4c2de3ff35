#!/usr/bin/env bash
# MNN: recurrent layers are computed in another form than the file says.
#
# MNN runs models on phones; its converter reads ONNX files and is expected to refuse what
# it does not support. Three things that a file says about a recurrent layer are left out
# instead, without a message:
#
# - direction="reverse": LSTM, GRU and RNN run forward. With "bidirectional" both
#   directions are right, so it is only a layer of its own that is wrong, for example the
#   upper one of two layers that alternate.
# - linear_before_reset=0, the default of ONNX: the reset gate of a GRU is applied after the
#   product with the recurrent weights, as with 1, and not before it. (The recurrent bias
#   stays outside the gate, so it is neither of the two.) PyTorch writes 1, Keras writes 0
#   for layers with reset_after=False.
# - clip and input_forget of an LSTM.
#
# All of this with a fixed number of frames; a dynamic number is another matter
# (mnn_gru_forgets.sh). The shapes are right and the values plausible, so only a comparison
# with another runtime shows it. What helps: two directions in one layer, or reversing the
# frames before and after a forward layer; and GRUs with linear_before_reset=1.
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
FRAMES, WIDTH, CELLS = 6, 3, 4
GATES = {"GRU": 3, "RNN": 1, "LSTM": 4}
random = np.random.default_rng(0)
x = random.standard_normal((FRAMES, 1, WIDTH)).astype(np.float32)


def weights(kind, directions, moved):
    made = np.random.default_rng(1)
    rows = GATES[kind] * CELLS
    shapes = {"w": (rows, WIDTH), "r": (rows, CELLS), "b": (2 * rows,)}
    arrays = {
        name: made.standard_normal((directions, *shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    if moved:  # the recurrent bias of the candidate to that of its input
        arrays["b"][:, rows - CELLS : rows] += arrays["b"][:, -CELLS:]
        arrays["b"][:, -CELLS:] = 0
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def model(kind, direction="forward", moved=False, **options):
    directions = 2 if direction == "bidirectional" else 1
    outputs = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"]
    node = helper.make_node(
        kind, ["x", "w", "r", "b"], outputs, hidden_size=CELLS, direction=direction, **options
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [FRAMES, directions, 1, CELLS])],
        weights(kind, directions, moved),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def by_onnxruntime(made):
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"x": x})[0]


def by_mnn(made):
    onnx.save(made, "layer.onnx")
    Path("layer.mnn").unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, "convert.py", "-f", "ONNX", "--modelFile", "layer.onnx"]
        + ["--MNNModel", "layer.mnn", "--bizCode", "x"],
        capture_output=True,
        check=True,
    )
    if not Path("layer.mnn").exists():
        sys.exit("CHANGED: refused")
    module = MNN.nn.load_module_from_file("layer.mnn", ["x"], ["y"])
    given = MNN.expr.const(x, list(x.shape), MNN.expr.NCHW, MNN.expr.float)
    out = module.forward([given])
    out = out[0] if isinstance(out, (list, tuple)) else out
    return np.array(MNN.expr.convert(out, MNN.expr.NCHW).read())


def far(one, other):
    return float(np.abs(one.reshape(-1) - other.reshape(-1)).max())


def show(what, made, instead=None):
    """Say how far MNN is off, and from a model that leaves something out."""
    found, right = by_mnn(made), by_onnxruntime(made)
    line = f"{what}: {far(found, right):.1e} off"
    same = None if instead is None else far(found, by_onnxruntime(instead))
    print(line + ("" if same is None else f"; {same:.1e} from the same layer {without}"))
    wrong = far(found, right) > 0.05
    if wrong != (instead is not None) or (same is not None and same > 1e-5):
        sys.exit("CHANGED: " + what)


new = {"linear_before_reset": 1}
for kind in GATES:
    options = new if kind == "GRU" else {}
    show(f"{kind}, forward", model(kind, **options))
    show(f"{kind}, both directions", model(kind, "bidirectional", **options))
    without = "forward"
    show(f"{kind}, reverse", model(kind, "reverse", **options), model(kind, **options))
without = "with linear_before_reset=1 and the recurrent bias outside the gate"
show(
    "GRU, linear_before_reset=0",
    model("GRU", linear_before_reset=0),
    model("GRU", moved=True, **new),
)
without = "without it"
show("LSTM, clip=0.2", model("LSTM", clip=0.2), model("LSTM"))
show("LSTM, input_forget=1", model("LSTM", input_forget=1), model("LSTM"))
EOF
