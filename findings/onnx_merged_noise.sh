#!/usr/bin/env bash
# onnxsim, onnxslim, onnxoptimizer, onnxruntime: two sources of noise become one.
#
# Tools that simplify a model compute a part only once if it occurs twice, and compute
# constant parts in advance. They are expected to leave alone what draws random numbers:
# ONNX says that an operator without a seed gets one of its own. But each of them does it
# to some operators:
# * onnxsim, onnxslim and onnxoptimizer merge two RandomNormalLike of the same tensor (the
#   first and the last of them two RandomNormal as well). The difference of the two noises
#   is then 0, and their sum has the variance 4 instead of 2.
# * onnxslim draws RandomNormal while it simplifies: it is the same noise in every call.
# * All of them merge two Bernoulli, also onnxruntime while it loads a model, with its
#   default optimisations, and onnxscript.
# Such models pass every check, and comparing outputs shows nothing, as they are random.
#
# It matters for what counts on independent noise: several samples in one call, dither of
# two channels, masks of confidence estimates, synthesis. What helps: noise as an input,
# or (except with onnxslim and RandomNormal) a different seed for each operator.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 onnxoptimizer==0.4.2 \
    onnxscript==0.7.2 onnxsim==0.8.1 onnxslim==0.1.98
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import sys
from importlib.metadata import version

import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
import onnxscript.optimizer
import onnxsim
import onnxslim
from onnx import TensorProto, helper
from onnxruntime import GraphOptimizationLevel

SHAPE = [100, 100]
half = np.full(SHAPE, 0.5, np.float32)
operators = {
    "RandomNormalLike": {"inputs": ["x"]},
    "RandomNormal": {"inputs": [], "shape": SHAPE},
    "Bernoulli": {"inputs": ["x"]},
}
tools = {
    "none": lambda model: model,
    "onnxruntime": lambda model: model,
    "onnxsim": lambda model: onnxsim.simplify(model)[0],
    "onnxslim": onnxslim.slim,
    "onnxoptimizer": onnxoptimizer.optimize,
    "onnxscript": onnxscript.optimizer.optimize,
}
MERGED, FROZEN, FINE = "one noise", "frozen", "-"
known = {
    "none": (FINE, FINE, FINE),
    "onnxruntime": (FINE, FINE, MERGED),
    "onnxsim": (MERGED, MERGED, MERGED),
    "onnxslim": (MERGED, FROZEN, MERGED),
    "onnxoptimizer": (MERGED, MERGED, MERGED),
    "onnxscript": (FINE, FINE, MERGED),
}


def model(operator, seeds=({}, {})):
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    options = dict(operators[operator])
    inputs = options.pop("inputs")
    nodes = []
    for name, seed in zip("ab", seeds):
        nodes += [
            helper.make_node(operator, inputs, [f"n{name}"], **options, **seed),
            helper.make_node("Add", ["x", f"n{name}"], [name]),
        ]
    graph = helper.make_graph(
        nodes,
        "two_noises",
        [info("x", f, ["T", "F"])],
        [info(name, f, ["T", "F"]) for name in "ab"],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def what_it_does(tool, model):
    options = onnxruntime.SessionOptions()
    if tool != "onnxruntime":
        options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        tools[tool](model).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    first, again = (session.run(None, {"x": half}) for _ in range(2))
    if np.array_equal(first[0], again[0]):
        return FROZEN
    return MERGED if np.array_equal(*first) else FINE


print("two operators, x + noise each; -: two noises, new ones in each call")
print(f"{'':22}", *(f"{name:17}" for name in operators))
for tool, expected in known.items():
    found = tuple(what_it_does(tool, model(operator)) for operator in operators)
    label = tool if tool == "none" else f"{tool} {version(tool)}"
    print(f"{label:22}", *(f"{one:17}" for one in found))
    if found != expected:
        sys.exit(f"CHANGED: expected {expected}")
seeds = {"seed": 1.0}, {"seed": 2.0}
for operator in operators:
    found = {tool: what_it_does(tool, model(operator, seeds)) for tool in tools}
    print(f"with two seeds, {operator}:", *found.values())
    if found.pop("onnxslim") != (FROZEN if operator == "RandomNormal" else FINE):
        sys.exit("CHANGED: expected onnxslim to freeze only RandomNormal")
    if set(found.values()) != {FINE}:
        sys.exit("CHANGED: expected two noises")
EOF
