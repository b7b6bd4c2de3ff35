#!/usr/bin/env bash
# onnxslim: three of its simplifications change what the model computes.
#
# slim() is expected to return a smaller model with the same outputs. It prints a table
# of what it saved, and no warning. Three of its rules look at too little:
# * Two Clip operators become one if one has only a lower bound and the other only an
#   upper bound, and both bounds are the same number. can_be_replaced() compares the
#   inputs without the empty ones, so "at least 0.5" and "at most 0.5" look the same.
#   This is how a compressor is written: clamp(max=knee) + slope * clamp(min=knee).
# * A factor after a convolution is moved into its weights if it has as many numbers as
#   there are channels (FusionConvMul), on whatever axis it is. A factor for each
#   frequency then scales the channels, if there are as many frequencies as channels.
#   (The rule for additions, FusionConvAdd, checks the axis.)
# * A factor after a linear layer and a reshape is moved into the weights of the layer
#   (FusionGemmMul), also if its output is used elsewhere. That use is then scaled as
#   well, for example a residual connection that adds the queries before they are
#   scaled.
#
# It matters because simplifying is a usual step between export and device, and such
# models pass the checker and load everywhere. What helps: slim(model_check=True), which
# compares both models on random input and returns None if they differ; or leaving out
# the rules, with skip_fusion_patterns=["FusionConvMul", "FusionGemmMul"] and
# skip_optimizations=["subexpression_elimination"].
#
# Compared with onnx's reference implementation and with onnxsim and onnxoptimizer.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 onnxslim==0.1.98 onnxsim==0.8.1 \
    onnxoptimizer==0.4.2
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import sys
from importlib.metadata import version

import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
import onnxsim
import onnxslim
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

for name in "onnxslim", "onnxsim", "onnxoptimizer":
    print(name, version(name), end="  ")
print()
random = np.random.default_rng(0)
node, info = helper.make_node, helper.make_tensor_value_info
HEADS, WIDTH = 2, 8


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(nodes, constants, shape, outputs):
    graph = helper.make_graph(
        nodes,
        "part",
        [info("x", TensorProto.FLOAT, shape)],
        [info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()],
        [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def compressor(upper):
    """What is above the knee counts a quarter; ``upper`` is the other bound."""
    nodes = [
        node("Clip", ["x", "", "upper"], ["low"]),
        node("Clip", ["x", "knee", ""], ["high"]),
        node("Mul", ["high", "slope"], ["less"]),
        node("Add", ["low", "less"], ["y"]),
    ]
    constants = {"knee": np.float32(0.5), "slope": np.float32(0.25), "upper": upper}
    return model(nodes, constants, ["T", WIDTH], {"y": ["T", WIDTH]}), (6, WIDTH)


def weighted(channels, factor):
    """A convolution over frames and frequencies, and a factor for each frequency."""
    nodes = [
        node("Conv", ["x", "w"], ["filtered"], pads=[1, 1, 1, 1]),
        node("Mul", ["filtered", "factor"], ["y"]),
    ]
    constants = {"w": normal(channels, 1, 3, 3), "factor": factor}
    shape = {"y": ["B", channels, "T", WIDTH]}
    return model(nodes, constants, ["B", 1, "T", WIDTH], shape), (2, 1, 6, WIDTH)


def attention(adds_queries):
    """Scaled queries of each head; and possibly the queries themselves."""
    nodes = [
        node("Gemm", ["x", "w", "bias"], ["q"], transB=1),
        node("Reshape", ["q", "split"], ["of_heads"]),
        node("Mul", ["of_heads", "scale"], ["y"]),
    ]
    outputs = {"y": ["T", HEADS, WIDTH // HEADS]}
    if adds_queries:
        nodes.append(node("Add", ["q", "x"], ["z"]))
        outputs["z"] = ["T", WIDTH]
    constants = {
        "w": normal(WIDTH, WIDTH),
        "bias": normal(WIDTH),
        "split": np.array([-1, HEADS, WIDTH // HEADS]),
        "scale": np.float32((WIDTH // HEADS) ** -0.5),
    }
    return model(nodes, constants, ["T", WIDTH], outputs), (6, WIDTH)


def optimised(made):
    passes = onnxoptimizer.get_fuse_and_elimination_passes()
    return onnxoptimizer.optimize(made, passes)


tools = {
    "onnxslim": onnxslim.slim,
    "onnxsim": lambda made: onnxsim.simplify(made)[0],
    "onnxoptimizer": optimised,
}
by_channel = normal(WIDTH, 1, 1)
without_rules = {
    "skip_fusion_patterns": ["FusionConvMul", "FusionGemmMul"],
    "skip_optimizations": ["subexpression_elimination"],
}
cases = {
    "clip at most 0.5, at least 0.5": (*compressor(np.float32(0.5)), True),
    "clip at most 0.4, at least 0.5": (*compressor(np.float32(0.4)), False),
    "8 channels, factor by frequency": (*weighted(WIDTH, normal(WIDTH)), True),
    "8 channels, factor by channel": (*weighted(WIDTH, by_channel), False),
    "6 channels, factor by frequency": (*weighted(6, normal(WIDTH)), False),
    "scaled queries, and queries": (*attention(True), True),
    "scaled queries": (*attention(False), False),
}
print("greatest error compared with the original model; operators after onnxslim:")
for name, (made, shape, is_wrong) in cases.items():
    x = normal(*shape)
    known = ReferenceEvaluator(made).run(None, {"x": x})
    errors = {}
    for tool, simplify in tools.items():
        copy = onnx.ModelProto()
        copy.CopyFrom(made)
        simple = simplify(copy)
        onnx.checker.check_model(simple, full_check=True)
        if tool == "onnxslim":
            operators = [n.op_type for n in simple.graph.node]
        session = onnxruntime.InferenceSession(
            simple.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        outputs = session.run(None, {"x": x})
        errors[tool] = max(np.abs(a - b).max() for a, b in zip(known, outputs))
    numbers = ", ".join(f"{tool} {error:.4f}" for tool, error in errors.items())
    print(f"{name:32} {numbers}; {' '.join(operators)}")
    if is_wrong != (errors.pop("onnxslim") > 0.1):
        state = "wrong" if is_wrong else "right"
        sys.exit(f"CHANGED: expected that onnxslim gets this {state}: {name}")
    if is_wrong:
        copy = onnx.ModelProto()
        copy.CopyFrom(made)
        safe = onnxslim.slim(copy, **without_rules)
        session = onnxruntime.InferenceSession(
            safe.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        outputs = session.run(None, {"x": x})
        error = max(np.abs(a - b).max() for a, b in zip(known, outputs))
        print(f"{'without these rules':32} onnxslim {error:.4f}")
        if error > 1e-4:
            sys.exit(f"CHANGED: expected the right values without the rules: {name}")
    if max(errors.values()) > 1e-4:
        sys.exit(f"CHANGED: expected the other two tools to be right: {name}")
EOF
