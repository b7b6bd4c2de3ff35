#!/usr/bin/env bash
# MNN: the exponential ends at 87, and with it log-sum-exp and softplus.
#
# On a CPU, MNN limits the argument of the exponential to -87 and 87. ONNX's ReduceLogSumExp
# is computed as log(sum(exp(x))), without the maximum taken out before, and Softplus as
# log(1 + exp(x)). So a sum of log-probabilities of -100 and -101 is -86.3 instead of -99.7,
# and of scores of 100 and 99 it is 87.7 instead of 100.3. Softplus is 87 for every value
# from 87 on, which is the identity elsewhere; below about -17 it is 0. onnxruntime,
# PyTorch and NumPy's logaddexp compute all of them exactly, and an overflow would at least
# be visible.
#
# It matters because log-probabilities of utterances are in the hundreds: the score of a CTC
# forward pass or of a beam in which two paths are merged ends at -86.3 for all of them, so
# that the best cannot be found. LogSoftmax is right. What helps: ReduceMax and Sub before
# ReduceLogSumExp, Add after it.
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

import MNN.expr
import MNN.nn
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

print("MNN", version("MNN"), "onnxruntime", onnxruntime.__version__)


def both(nodes, x):
    """Return what onnxruntime and MNN compute."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "operator",
        [info("x", TensorProto.FLOAT, list(x.shape))],
        [info("y", TensorProto.FLOAT, [1, None])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    onnx.save(made, "operator.onnx")
    known = onnxruntime.InferenceSession("operator.onnx").run(None, {"x": x})[0]
    subprocess.run(
        [sys.executable, "convert.py", "-f", "ONNX", "--modelFile", "operator.onnx"]
        + ["--MNNModel", "operator.mnn", "--bizCode", "x"],
        capture_output=True,
        check=True,
    )
    module = MNN.nn.load_module_from_file("operator.mnn", ["x"], ["y"])
    given = MNN.expr.const(x, list(x.shape), MNN.expr.NCHW, MNN.expr.float)
    out = module.forward([given])
    out = out[0] if isinstance(out, (list, tuple)) else out
    found = np.array(MNN.expr.convert(out, MNN.expr.NCHW).read())
    return known.reshape(-1), found.reshape(-1)


summed = [helper.make_node("ReduceLogSumExp", ["x"], ["y"], axes=[1], keepdims=1)]
shifted = [
    helper.make_node("ReduceMax", ["x"], ["top"], axes=[1], keepdims=1),
    helper.make_node("Sub", ["x", "top"], ["rest"]),
    helper.make_node("ReduceLogSumExp", ["rest"], ["sum"], axes=[1], keepdims=1),
    helper.make_node("Add", ["sum", "top"], ["y"]),
]
for scores in ([-20, -21], [-80, -81], [-100, -101], [-300, -301], [80, 79], [100, 99]):
    x = np.array([scores], np.float32)
    known, found = both(summed, x)
    _, helped = both(shifted, x)
    right = np.logaddexp(*scores)
    print(
        f"log-sum-exp of {scores}: onnxruntime {known[0]:.2f}, MNN {found[0]:.2f}, "
        f"with the maximum taken out {helped[0]:.2f}"
    )
    limited = np.log(np.exp(np.clip(np.array(scores, float), -87, 87)).sum())
    if max(abs(known[0] - right), abs(helped[0] - right), abs(found[0] - limited)) > 0.01:
        sys.exit("CHANGED: ReduceLogSumExp")

x = np.array([[-20, -10, 10, 80, 90, 500]], np.float32)
known, found = both([helper.make_node("Softplus", ["x"], ["y"])], x)
print("softplus of", x[0].tolist(), "in onnxruntime:", *(f"{value:.3g}" for value in known))
print("in MNN:", *(f"{value:.3g}" for value in found))
right = np.logaddexp(x[0].astype(float), 0)
if np.abs(known / right - 1).max() > 1e-5:
    sys.exit("CHANGED: onnxruntime")
if np.abs(found[1:4] / right[1:4] - 1).max() > 1e-2 or found[0] != 0 or found[4:].max() > 87.5:
    sys.exit("CHANGED: Softplus")

x = np.random.default_rng(0).standard_normal((1, 40)).astype(np.float32) * 100
known, found = both([helper.make_node("LogSoftmax", ["x"], ["y"], axis=1)], x)
print(f"LogSoftmax of scores from {x.min():.0f} to {x.max():.0f}: {np.abs(found - known).max():.1e} off")
if np.abs(found - known).max() > 1e-3:
    sys.exit("CHANGED: LogSoftmax")
EOF
