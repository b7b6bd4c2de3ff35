#!/usr/bin/env bash
# OpenVINO: attributes that a newer version of an operator has are left out silently.
#
# ONNX adds attributes to operators with new versions. A program that reads such a model
# is expected to follow them, or to refuse the model. OpenVINO's reader registers one
# function for an operator "since" a version (OPSET_SINCE(23) for Attention,
# OPSET_SINCE(1) for GRU), which also gets all later versions. It asks for the
# attributes that it knows and does not look whether there are others. So these are
# computed as if the attribute were not there:
# * Attention (version 25): left_window_size and right_window_size, the number of frames
#   before and after a frame that it may see. Each frame sees the whole utterance (or,
#   with is_causal, all that is before it): the first one changes by 0.3 when the last
#   one, out of its reach, is replaced.
# * LSTM and GRU (version 14): layout=1, utterances before frames. The frames of an
#   utterance are taken for utterances, and the utterances of a batch for its frames.
# No error and no warning. The shapes are right for Attention, and for the others if a
# Reshape follows.
#
# It matters for streaming encoders: limited context is what makes the latency, and a
# model that was trained with it computes something else without it. onnxruntime
# computes the windows, and refuses layout=1. What helps: a mask as an input of
# Attention, and a Transpose before and after an LSTM.
#
# All is compared with onnx's reference implementation, for the model with the attribute
# and for the same model without it.
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
from onnx.reference import ReferenceEvaluator

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
UTTERANCES, FRAMES, WIDTH, CELLS = 3, 12, 8, 4
random = np.random.default_rng(0)
node, info = helper.make_node, helper.make_tensor_value_info


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(nodes, constants, version):
    """All take and return three dimensions, with any number of the first two."""
    graph = helper.make_graph(
        nodes,
        "layer",
        [info("x", TensorProto.FLOAT, ["B", "T", WIDTH])],
        [info("y", TensorProto.FLOAT, ["b", "t", "w"])],
        [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", version)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def attention(**attributes):
    heads = {"q_num_heads": 2, "kv_num_heads": 2}
    nodes = [node("Attention", ["x", "x", "x"], ["y"], **heads, **attributes)]
    return model(nodes, {}, 25)


cells = {
    kind: {
        "w": normal(1, gates * CELLS, WIDTH),
        "r": normal(1, gates * CELLS, CELLS),
        "b": normal(1, 2 * gates * CELLS),
    }
    for kind, gates in {"LSTM": 4, "GRU": 3}.items()
}


def recurrent(kind):
    def layer(**attributes):
        inputs = ["x", "w", "r", "b"]
        nodes = [
            node(kind, inputs, ["rows"], hidden_size=CELLS, **attributes),
            node("Reshape", ["rows", "shape"], ["y"]),
        ]
        constants = cells[kind] | {"shape": np.array([0, -1, CELLS])}
        return model(nodes, constants, 17)

    return layer


def with_reference(made, x):
    return ReferenceEvaluator(made).run(None, {"x": x})[0]


def with_onnxruntime(made, x):
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def with_openvino(made, x):
    core = openvino.Core()
    # With 32 bits; the default may be bfloat16, which is another surprise.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(
        core.read_model(made.SerializeToString()), "CPU", options
    )(x)[0]


def difference(a, b):
    return float(np.abs(a - b).max()) if a.shape == b.shape else np.inf


x = normal(UTTERANCES, FRAMES, WIDTH)
cases = {
    "Attention": (attention, {"left_window_size": 3, "right_window_size": 1}),
    "Attention ": (attention, {"is_causal": 1, "left_window_size": 3}),
    "LSTM": (recurrent("LSTM"), {"layout": 1}),
    "GRU": (recurrent("GRU"), {"layout": 1}),
}
print("greatest difference from the reference with the attribute / without it:")
for name, (make, attributes) in cases.items():
    made = make(**attributes)
    known = with_reference(made, x)
    kept = {k: v for k, v in attributes.items() if k == "is_causal"}
    dropped = with_reference(make(**kept), x)
    print(f"{name.strip()} with", *(f"{k}={v}" for k, v in attributes.items()))
    try:
        got = with_onnxruntime(made, x)
        text = f"{difference(got, known):.4f} / {difference(got, dropped):.4f}"
        if difference(got, known) > 1e-5:
            sys.exit(f"CHANGED: expected onnxruntime to be right: {name}")
    except Exception as error:
        text = "refused" if "layout" in str(error) else str(error)
    print(f"    onnxruntime {text}")
    got = with_openvino(made, x)
    right, wrong = difference(got, known), difference(got, dropped)
    print(f"    OpenVINO {right:.4f} / {wrong:.4f}")
    if right < 0.05 or wrong > 1e-5:
        sys.exit(f"CHANGED: expected OpenVINO to leave the attribute out: {name}")

made = attention(left_window_size=3, right_window_size=1)
other = x.copy()
other[:, -1] = normal(UTTERANCES, WIDTH)
for name, run in {"onnxruntime": with_onnxruntime, "OpenVINO": with_openvino}.items():
    change = np.abs(run(made, other) - run(made, x)).max(axis=(0, 2))
    print(f"{name}: another last frame changes each frame by", change.round(2))
    if (change[: FRAMES - 2].max() > 0.05) != (name == "OpenVINO"):
        sys.exit("CHANGED: expected that only OpenVINO looks beyond the window")
EOF
