#!/usr/bin/env bash
# onnxruntime: its default optimisations replace a normalisation with a different one.
#
# A session's graph is optimised while it is loaded, by default at the highest level,
# and is expected to compute the same. Two optimisations recognise a layer norm and
# replace it with one operator, without checking all of what they replace:
# * LayerNormalization after an addition (a residual connection) with axis=1 normalises
#   over frames and channels together. It becomes an operator that normalises the
#   channels of each frame; the attribute is dropped. Without the addition it is right.
# * (x - mean) / sqrt(mean((x - mean)^2) + epsilon), written with the basic operators, is
#   recognised also if it is (mean - x), or with another exponent than 2. The sign is
#   then the opposite, or the deviation is the root of the wrong moment.
# No error, no warning; the numbers are of the usual size.
#
# It matters for models with their own normalisation (over the whole utterance, as for
# separation and streaming, or with higher moments), and for every comparison of an
# exported model with the original: onnx's reference implementation and onnxruntime with
# ORT_DISABLE_ALL agree with each other, and the session that is shipped does not. What
# helps: disabled_optimizers=[...], as below. ORT_ENABLE_BASIC is not enough: the second
# one is among the basic optimisations.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0
venv/bin/python - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime import GraphOptimizationLevel

print("onnxruntime", onnxruntime.__version__)
WIDTH, EPSILON = 8, 1e-5
random = np.random.default_rng(0)
constants = {
    "scale": random.normal(1, 0.2, WIDTH).astype(np.float32),
    "shift": random.normal(0, 0.2, WIDTH).astype(np.float32),
    "epsilon": np.float32(EPSILON),
    "two": np.float32(2),
    "four": np.float32(4),
}
scale, shift = constants["scale"], constants["shift"]
x = random.standard_normal((2, 5, WIDTH)).astype(np.float32)  # utterances, frames
node = helper.make_node


def after_addition(axis):
    return [
        node("Add", ["x", "x"], ["sum"]),
        node("LayerNormalization", ["sum", "scale", "shift"], ["y"], axis=axis),
    ]


def written_out(difference, exponent):
    return [
        node("ReduceMean", ["x"], ["mean"], axes=[-1]),
        node("Sub", difference, ["d"]),
        node("Pow", ["d", exponent], ["power"]),
        node("ReduceMean", ["power"], ["moment"], axes=[-1]),
        node("Add", ["moment", "epsilon"], ["above_0"]),
        node("Sqrt", ["above_0"], ["root"]),
        node("Div", ["d", "root"], ["normal"]),
        node("Mul", ["normal", "scale"], ["scaled"]),
        node("Add", ["scaled", "shift"], ["y"]),
    ]


def normalised(x, axes=(-1,), sign=1, exponent=2):
    """The same in numpy, in double precision."""
    x = x.astype(np.float64)
    d = sign * (x - x.mean(axes, keepdims=True))
    root = np.sqrt((d**exponent).mean(axes, keepdims=True) + EPSILON)
    return d / root * scale + shift


def model(nodes):
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    shape, used = ["B", "T", WIDTH], {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "normalises",
        [info("x", f, shape)],
        [info("y", f, shape)],
        [numpy_helper.from_array(v, k) for k, v in constants.items() if k in used],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def run(model, level=None, without=None):
    options = onnxruntime.SessionOptions()
    if level is not None:
        options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=without,
    )
    return session.run(None, {"x": x})[0]


cases = {
    "x + x, axis -1": (after_addition(-1), normalised(2 * x), False),
    "x + x, axis 1": (after_addition(1), normalised(2 * x, (1, 2)), True),
    "x - mean, exponent 2": (written_out(["x", "mean"], "two"), normalised(x), False),
    "mean - x, exponent 2": (
        written_out(["mean", "x"], "two"),
        normalised(x, sign=-1),
        True,
    ),
    "x - mean, exponent 4": (
        written_out(["x", "mean"], "four"),
        normalised(x, exponent=4),
        True,
    ),
}
levels = {
    "none": {"level": GraphOptimizationLevel.ORT_DISABLE_ALL},
    "three off": {
        "without": ["LayerNormFusionL1", "LayerNormFusionL2", "SkipLayerNormFusion"]
    },
    "basic": {"level": GraphOptimizationLevel.ORT_ENABLE_BASIC},
    "default": {},
}


def known_state(is_wrong):
    return "wrong values" if is_wrong else "the values of numpy"


print("greatest error compared with numpy, with these optimisations:")
for name, (nodes, known, is_wrong) in cases.items():
    made = model(nodes)
    reference = ReferenceEvaluator(onnx.load_from_string(made)).run(None, {"x": x})[0]
    outputs = {"reference": reference, **{k: run(made, **v) for k, v in levels.items()}}
    errors = {k: np.abs(output - known).max() for k, output in outputs.items()}
    print(f"{name:21}", *(f"{k} {error:.4f}" for k, error in errors.items()))
    for level in "basic", "default":
        is_fused = is_wrong and (level == "default" or nodes[0].op_type != "Add")
        if is_fused != (errors.pop(level) > 0.5):
            sys.exit(f"CHANGED: {name} with {level}: expected {known_state(is_fused)}")
    if max(errors.values()) > 1e-4:
        sys.exit(f"CHANGED: expected {name} to be right without the three")
EOF
