#!/usr/bin/env bash
# onnx2tf: channels and frequencies that are joined after a convolution come in wrong order.
#
# Speech encoders begin with convolutions over time and frequency. Then the channels and
# frequencies of each frame become one vector. A graph can transpose first (batch, channels,
# frames, frequencies to batch, frames, channels, frequencies) and then reshape, as ESPnet
# does. Where time is the last axis, it can reshape first (batch, channels x frequencies,
# frames) and then transpose, which is the same.
#
# onnx2tf converts ONNX to LiteRT (TensorFlow Lite), and stores channels last. With the
# second order the values are wrong: after a ReLU the shape is right and the values are in
# another order, without a ReLU the result is not transposed at all. Nothing is logged or
# refused, and the rest of the model is converted. Reshape without the transposition is
# right, and so is the first order.
#
# It matters because the converted model runs and recognises nothing. What helps: the first
# order, and a comparison of the log-probabilities before and after the conversion.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.2.6 onnx==1.20.1 onnxruntime==1.26.0 onnx2tf==2.6.9 ai-edge-litert==2.1.2
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

print("onnx2tf", version("onnx2tf"), "LiteRT", version("ai-edge-litert"))
CHANNELS, FREQUENCIES, FRAMES = 6, 4, 10
random = np.random.default_rng(0)
weight = random.standard_normal((CHANNELS, 1, 3, 3)).astype(np.float32)


def model(last_axis, relu, turned=True):
    """A convolution over (frequencies, frames) if time is last, else the other way."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["conv"], strides=[2, 2])]
    value, joined = "conv", CHANNELS * FREQUENCIES
    if relu:
        nodes.append(helper.make_node("Relu", [value], ["relu"]))
        value = "relu"
    if last_axis:
        sizes, shape = [1, joined, FRAMES], [1, joined, FRAMES]
        out = "joined" if turned else "y"
        nodes.append(helper.make_node("Reshape", [value, "sizes"], [out]))
        if turned:
            nodes.append(helper.make_node("Transpose", [out], ["y"], perm=[0, 2, 1]))
            shape = [1, FRAMES, joined]
    else:
        sizes, shape = [1, FRAMES, joined], [1, FRAMES, joined]
        nodes.append(helper.make_node("Transpose", [value], ["turned"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", ["turned", "sizes"], ["y"]))
    given = [2 * FREQUENCIES + 1, 2 * FRAMES + 1]
    given = [1, 1, *(given if last_axis else given[::-1])]
    graph = helper.make_graph(
        nodes,
        "subsampling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array(sizes), "sizes")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made, given


for number, (what, options, wrong) in enumerate(
    (
        ("transposed, then joined (ESPnet's order)", (False, True), False),
        ("joined, not transposed", (True, True, False), False),
        ("joined, then transposed", (True, True), True),
        ("joined, then transposed, without ReLU", (True, False), True),
    )
):
    made, given = model(*options)
    onnx.save(made, f"m{number}.onnx")
    x = random.standard_normal(given).astype(np.float32)
    (right,) = onnxruntime.InferenceSession(f"m{number}.onnx").run(None, {"x": x})
    command = ["venv/bin/onnx2tf", "-i", f"m{number}.onnx", "-o", f"t{number}", "-n"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"CHANGED: {what} is refused")
    runtime = Interpreter(f"t{number}/m{number}_float32.tflite")
    runtime.allocate_tensors()
    (taken,) = runtime.get_input_details()
    # The converter makes it channels last; there is one channel.
    runtime.set_tensor(taken["index"], x.reshape(taken["shape"]))
    runtime.invoke()
    found = runtime.get_tensor(runtime.get_output_details()[0]["index"])
    if found.shape != right.shape:
        outcome, is_wrong = f"shape {found.shape}, not {right.shape}", True
    else:
        off = float(np.abs(found - right).max())
        order = np.allclose(np.sort(found, None), np.sort(right, None), atol=1e-4)
        outcome, is_wrong = f"{off:.1e} off" + ", the same values in another order" * (
            order and off > 1e-3
        ), off > 1e-3
    print(f"{what}: {outcome}")
    if is_wrong != wrong:
        sys.exit("CHANGED: " + what)
EOF
