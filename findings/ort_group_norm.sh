#!/usr/bin/env bash
# onnxruntime: GroupNormalization makes NaN of the features of digital silence.
#
# On a CPU, onnxruntime 1.32.0 has no kernel for GroupNormalization (opset 21, the one
# that PyTorch's newer exporter has for torch.nn.GroupNorm from this opset on). It expands
# the operator into others, and these compute the variance as mean(x^2) - mean(x)^2, in
# 32 bits. Both are large if the mean is, and what is left of the difference is
# rounding: it may even be negative, by more than the epsilon.
#
# In log-mel features, digital silence is a constant: log(1e-10) = -23.03, or
# log(1e-5) = -11.51. A GroupNorm with one group for each filter (as one writes the
# normalisation of an utterance in a network) answers with NaN to silence, and to silence
# with a faint click. One would expect 0, as from InstanceNormalization, which is the
# same function and which onnxruntime computes with an error below 0.01, and as from
# PyTorch. Without silence, the results are off by about 0.01 if the mean is 100 standard
# deviations, and by 0.5 for 1000.
#
# It matters because a test with speech passes, and because the operator depends on the
# opset: with opset 17 PyTorch's exporter writes InstanceNormalization, and the model is
# right; exported again with a newer opset it fails on a muted call. Switching the
# optimisations off changes nothing.
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
from onnx import TensorProto, helper

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
FILTERS, EPSILON = 80, 1e-5


def session(operator, optimised=True):
    """A normalisation of each filter over time; shape (1, filters, frames)."""
    groups = {"num_groups": FILTERS} if operator == "GroupNormalization" else {}
    node = helper.make_node(operator, ["x", "s", "b"], ["y"], epsilon=EPSILON, **groups)
    shapes = {"x": [1, FILTERS, "frames"], "s": [FILTERS], "b": [FILTERS]}
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes["x"])
    graph = helper.make_graph([node], "norm", inputs, [output])
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        )
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def error(session, features):
    """The share of NaN, and the largest error of the rest."""
    one, zero = np.ones(FILTERS, np.float32), np.zeros(FILTERS, np.float32)
    (found,) = session.run(None, {"x": features, "s": one, "b": zero})
    exact = features.astype(np.float64)
    mean, variance = exact.mean(-1, keepdims=True), exact.var(-1, keepdims=True)
    off = np.abs(found - (exact - mean) / np.sqrt(variance + EPSILON))
    nan = np.isnan(off)
    return nan.mean(), off[~nan].max() if not nan.all() else np.nan


random = np.random.default_rng(0)
group, instance = session("GroupNormalization"), session("InstanceNormalization")
plain = session("GroupNormalization", optimised=False)
LENGTHS = range(100, 1001, 50)


def noise(frames):
    return random.standard_normal((1, FILTERS, frames)).astype(np.float32)


def silence(floor, frames, click):
    made = np.full((1, FILTERS, frames), np.log(floor), np.float32)
    made[..., 5:10] += click * noise(5)
    return made


fails = {}
for floor in (1e-10, 1e-5):
    for click in (0, 1e-3):
        inputs = [silence(floor, frames, click) for frames in LENGTHS]
        for name, one in (("Group", group), ("unoptimised", plain), ("Instance", instance)):
            fails[name] = sum(error(one, each)[0] > 0 for each in inputs)
        worst = max(error(instance, each)[1] for each in inputs)
        what = "silence with a click" if click else "silence"
        print(
            f"{what}, log({floor:.0e}), {len(LENGTHS)} lengths: GroupNormalization has NaN "
            f"in {fails['Group']} (unoptimised: {fails['unoptimised']}), "
            f"InstanceNormalization in {fails['Instance']}, error at most {worst:.0e}"
        )
        if fails["Group"] < 3 or fails["unoptimised"] < 3:
            sys.exit("CHANGED: silence is normalised to 0")
        if fails["Instance"] or worst > 0.02:
            sys.exit("CHANGED: InstanceNormalization is wrong as well")
off = {}
for mean in (10, 100, 1000):
    features = noise(300) + np.float32(mean)
    off[mean] = error(group, features)[1]
    print(
        f"{mean} +- 1: GroupNormalization is off by {off[mean]:.0e}, "
        f"InstanceNormalization by {error(instance, features)[1]:.0e}"
    )
if not 5e-4 < off[100] < 0.1 or not off[1000] > 0.01:
    sys.exit("CHANGED: the error for a large mean is no longer as described")
EOF
