#!/usr/bin/env bash
# OpenVINO: an LSTM with peepholes is computed without them.
#
# In an LSTM with peepholes the gates also see the cell's state. Classic recognisers
# (Kaldi's, and those of toolkits of that time) were trained with them. ONNX has them as
# the eighth input of LSTM, "P", since its first version. The attribute input_forget is as
# old. It couples two gates: the forget gate is one minus the input gate.
#
# OpenVINO's reader takes the model and leaves out P and input_forget, without an error or
# a warning: the outputs are, to the last digits, those of the same model without them. Other
# things that it cannot compute (an unknown activation) are errors. onnxruntime computes
# both, as a direct computation with numpy shows.
#
# It matters because such a model runs, has plausible outputs, and recognises less. What
# helps: nothing but comparing the outputs of both runtimes on speech.
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
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
FRAMES, WIDTH, CELLS = 20, 8, 6
random = np.random.default_rng(0)


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


weights = {
    "W": normal(1, 4 * CELLS, WIDTH),
    "R": normal(1, 4 * CELLS, CELLS),
    "B": normal(1, 8 * CELLS),
    "P": normal(1, 3 * CELLS),
}
features = normal(FRAMES, 1, WIDTH)


def model(peepholes, coupled):
    names = "WRBP" if peepholes else "WRB"
    inputs = ["features", *"WRB"] + (["", "", "", "P"] if peepholes else [])
    node = helper.make_node(
        "LSTM", inputs, ["outputs"], hidden_size=CELLS, input_forget=int(coupled)
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, features.shape)],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights[name], name) for name in names],
    )
    opset = helper.make_opsetid("", 14)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def in_openvino(made):
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(made), "CPU", settings)
    return compiled([features])[compiled.output(0)].reshape(FRAMES, CELLS)


def in_onnxruntime(made):
    session = onnxruntime.InferenceSession(made)
    return session.run(None, {"features": features})[0].reshape(FRAMES, CELLS)


def by_hand(peepholes, coupled):
    """The formulas of the operator; the gates are in the order i, o, f, c."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    w, r = weights["W"][0], weights["R"][0]
    bias = weights["B"][0].reshape(2, -1).sum(0)
    p_i, p_o, p_f = weights["P"].reshape(3, CELLS) * peepholes
    hidden = cell = np.zeros(CELLS)
    outputs = []
    for frame in features[:, 0]:
        i, o, f, c = np.split(w @ frame + r @ hidden + bias, 4)
        i, f = sigmoid(i + p_i * cell), sigmoid(f + p_f * cell)
        cell = ((1 - i) if coupled else f) * cell + i * np.tanh(c)
        hidden = sigmoid(o + p_o * cell) * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs)


def off(left, right):
    return float(np.abs(left - right).max())


plain = in_onnxruntime(model(False, False))
for peepholes, coupled in ((False, False), (True, False), (False, True)):
    made, right = model(peepholes, coupled), by_hand(peepholes, coupled)
    found = in_openvino(made)
    errors = off(in_onnxruntime(made), right), off(found, right), off(found, plain)
    print(
        f"peepholes {peepholes!s:5}, input_forget {coupled!s:5}: off by hand: onnxruntime "
        f"{errors[0]:.1e}, OpenVINO {errors[1]:.1e}; OpenVINO from the plain LSTM {errors[2]:.1e}"
    )
    if errors[0] > 1e-5:
        sys.exit("CHANGED: onnxruntime")
    if peepholes or coupled:
        if errors[1] < 0.1 or errors[2] > 1e-5:
            sys.exit("CHANGED: OpenVINO does not compute the plain LSTM")
    elif errors[1] > 1e-5:
        sys.exit("CHANGED: OpenVINO's plain LSTM")
EOF
