#!/usr/bin/env bash
# OpenVINO: whole numbers divided after a sum are not rounded down.
#
# Recognisers often count the valid frames of an utterance as the sum of its mask, and then
# compute how many are left after a convolution with stride 2: (frames - 3) // 2 + 1. In
# ONNX these are ReduceSum, Sub, Div and Add on 64-bit integers, and Div of integers
# truncates. ESPnet's subsampling is exported like that.
#
# On a CPU, OpenVINO computes the element-wise steps together with the reduction before
# them, in floating point, and rounds the last result to the nearest whole number: for 18
# frames 15 / 2 becomes 8, not 7. So the number of frames, and a mask made of it, are too
# large by one for every fourth length and more. The same happens after ReduceMax,
# ReduceMin and ReduceProd, and with 32-bit integers. Without a reduction before it, the
# division truncates.
#
# It matters because the attention of short utterances in a longer input then sees a frame
# of padding, and the output has a frame too many. In this plugin an E-Branchformer differed
# by 1.8 in the log-probabilities. What helps: compute with the lengths themselves, not
# with the sum of a mask.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
venv/bin/python - 2> errors <<'EOF' || { cat errors >&2; exit 1; }
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
FRAMES = 64
KINDS = {TensorProto.INT64: np.int64, TensorProto.INT32: np.int32}


def model(kind, reduced, convolutions):
    """From a mask (reduced) or a number of frames to the frames after convolutions."""
    nodes, value = [], "given"
    if reduced == "ReduceSum":
        nodes.append(helper.make_node(reduced, ["given", "axis"], ["count"], keepdims=0))
    elif reduced:
        nodes.append(helper.make_node(reduced, ["given"], ["count"], axes=[1], keepdims=0))
    value = "count" if reduced else "given"
    for number in range(convolutions):
        steps = [("Sub", "three"), ("Div", "two"), ("Add", "one")]
        # Of a single one only the quotient.
        for name, constant in steps[: convolutions + 1]:
            made = f"{name}{number}"
            nodes.append(helper.make_node(name, [value, constant], [made]))
            value = made
    shape = [1, FRAMES] if reduced else [1]
    constants = {"three": 3, "two": 2, **({"one": 1} if convolutions > 1 else {})}
    weights = [
        numpy_helper.from_array(np.array(number, KINDS[kind]), name)
        for name, number in constants.items()
    ]
    if reduced == "ReduceSum":
        weights.append(numpy_helper.from_array(np.array([1]), "axis"))
    graph = helper.make_graph(
        nodes,
        "lengths",
        [helper.make_tensor_value_info("given", kind, shape)],
        [helper.make_tensor_value_info(value, kind, [1])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def given(kind, reduced, frames):
    if not reduced:
        return np.array([frames], KINDS[kind])
    row = np.ones((1, FRAMES), KINDS[kind])
    if reduced == "ReduceSum":
        row[:, frames:] = 0
    elif reduced == "ReduceMin":
        row[:] = frames
    else:
        row[:, 5] = frames
    return row


def by_hand(frames, convolutions):
    if convolutions == 1:
        return (frames - 3) // 2
    for _ in range(convolutions):
        frames = (frames - 3) // 2 + 1
    return frames


core = openvino.Core()
lengths = range(15, FRAMES + 1)
for kind, reduced, convolutions in (
    (TensorProto.INT64, "ReduceSum", 1),
    (TensorProto.INT64, "ReduceSum", 2),
    (TensorProto.INT32, "ReduceSum", 2),
    (TensorProto.INT64, "ReduceMax", 2),
    (TensorProto.INT64, "ReduceMin", 2),
    (TensorProto.INT64, "ReduceProd", 2),
    (TensorProto.INT64, "", 1),
    (TensorProto.INT64, "", 2),
):
    made = model(kind, reduced, convolutions)
    session = onnxruntime.InferenceSession(made)
    compiled = core.compile_model(core.read_model(made), "CPU")
    wrong, example = 0, ""
    for frames in lengths:
        right = by_hand(frames, convolutions)
        feed = {"given": given(kind, reduced, frames)}
        if session.run(None, feed)[0][0] != right:
            sys.exit("CHANGED: onnxruntime")
        found = int(compiled(feed)[compiled.output(0)][0])
        if found != right:
            wrong, example = wrong + 1, example or f", e.g. {frames} frames: {found}, not {right}"
    what = f"{reduced or 'no reduction'}, {KINDS[kind].__name__}, "
    what += "one division" if convolutions == 1 else "two convolutions"
    print(f"{what}: {wrong} of {len(lengths)} lengths wrong in OpenVINO{example}")
    if (wrong > len(lengths) // 5) != bool(reduced) or (wrong and not reduced):
        sys.exit("CHANGED: " + what)
EOF
