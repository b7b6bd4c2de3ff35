#!/usr/bin/env bash
# OpenVINO: LSTM and GRU ignore the lengths of the utterances if the shapes are dynamic.
#
# The input sequence_lens of ONNX's LSTM and GRU says how many frames of each utterance
# of a batch are valid: the backward direction starts at the last valid frame, the state
# at the end is that of the last valid frame, and the rows of the padding are 0. With
# fixed shapes OpenVINO does this. With a dynamic number of utterances or frames, as
# every recogniser has it, it takes all utterances to be as long as the longest one. The
# backward direction runs through the padding first, so the *valid* frames are wrong:
# by 0.18 below, where the outputs are between -1 and 1. No warning is printed.
#
# It matters for BLSTM encoders: the text of a short utterance depends on the longest
# one of its batch. A test with one utterance, or with utterances of one length, passes.
# It also matters for forward LSTMs whose last state is used, as speaker models and
# language identification do. What helps: one utterance at a time, or fixed shapes
# (model.reshape()).
#
# Each value is compared with the LSTM computed in numpy, and with onnxruntime.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
venv/bin/python - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
FRAMES, BATCH, WIDTH, CELLS = 7, 2, 8, 4
lengths = np.array([7, 3], np.int32)
random = np.random.default_rng(0)
x = random.standard_normal((FRAMES, BATCH, WIDTH)).astype(np.float32)
weights = {
    "w": random.standard_normal((2, 4 * CELLS, WIDTH)).astype(np.float32),
    "r": random.standard_normal((2, 4 * CELLS, CELLS)).astype(np.float32),
}
valid = np.arange(FRAMES)[:, None] < lengths


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def in_numpy():
    """ONNX's definition: (frames, directions, utterances, cells), and last states."""
    rows = np.zeros((FRAMES, 2, BATCH, CELLS))
    last = np.zeros((2, BATCH, CELLS))
    for direction in 0, 1:
        for utterance, length in enumerate(lengths):
            state, cell = np.zeros(CELLS), np.zeros(CELLS)
            for t in range(length)[:: -1 if direction else 1]:
                gates = weights["w"][direction] @ x[t, utterance]
                gates = gates + weights["r"][direction] @ state
                i, o, f, c = np.split(gates, 4)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
                state = sigmoid(o) * np.tanh(cell)
                rows[t, direction, utterance] = state
            last[direction, utterance] = state
    return rows, last


def model(frames, batch):
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    lstm = helper.make_node(
        "LSTM",
        ["x", "w", "r", "", "lengths"],
        ["rows", "last"],
        hidden_size=CELLS,
        direction="bidirectional",
    )
    graph = helper.make_graph(
        [lstm],
        "blstm",
        [
            info("x", f, [frames, batch, WIDTH]),
            info("lengths", TensorProto.INT32, [batch]),
        ],
        [
            info("rows", f, [frames, 2, batch, CELLS]),
            info("last", f, [2, batch, CELLS]),
        ],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def with_onnxruntime(model, feeds):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def with_openvino(model, feeds, reshape=False):
    core = openvino.Core()
    read = core.read_model(model)
    if reshape:
        read.reshape({name: value.shape for name, value in feeds.items()})
    # With 32 bits; the default may be bfloat16, which is another surprise.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(read, "CPU", options)
    outputs = compiled(feeds)
    return outputs[0], outputs[1]


def reshaped(model, feeds):
    return with_openvino(model, feeds, reshape=True)


feeds = {"x": x, "lengths": lengths}
rows, last = in_numpy()
cases = {
    "onnxruntime, dynamic": (with_onnxruntime, ("T", "B"), False),
    "OpenVINO, fixed": (with_openvino, (FRAMES, BATCH), False),
    "OpenVINO, reshape()": (reshaped, ("T", "B"), False),
    "OpenVINO, dynamic frames": (with_openvino, ("T", BATCH), True),
    "OpenVINO, dynamic batch": (with_openvino, (FRAMES, "B"), True),
    "OpenVINO, dynamic": (with_openvino, ("T", "B"), True),
}
print(f"two utterances with {lengths} frames; greatest error compared with numpy")
for name, (run, shape, is_wrong) in cases.items():
    got_rows, got_last = run(model(*shape), feeds)
    errors = np.abs(got_rows - rows).max(axis=(1, 3))
    of_last = np.abs(got_last - last).max()
    print(
        f"{name:25} valid frames {errors[valid].max():.4f}, "
        f"padding {errors[~valid].max():.4f}, last states {of_last:.4f}"
    )
    worst = min(errors[valid].max(), errors[~valid].max(), of_last)
    best = max(errors[valid].max(), errors[~valid].max(), of_last)
    if is_wrong and worst < 0.1:
        sys.exit(f"CHANGED: expected wrong values with {name}")
    if not is_wrong and best > 1e-5:
        sys.exit(f"CHANGED: expected the values of numpy with {name}")

# The same utterance, by itself and behind a longer one.
dynamic = model("T", "B")
short = x[:3, 1:].copy()
alone, _ = with_openvino(dynamic, {"x": short, "lengths": lengths[1:]})
together, _ = with_openvino(dynamic, feeds)
difference = np.abs(together[:3, :, 1] - alone[:, :, 0]).max()
error_alone = np.abs(alone[:, :, 0] - rows[:3, :, 1]).max()
print(f"OpenVINO, the short utterance by itself: {error_alone:.4f} off")
print(f"OpenVINO, in a batch and by itself: {difference:.4f} apart")
if error_alone > 1e-5 or difference < 0.1:
    sys.exit("CHANGED: expected the batch to change the short utterance")
EOF
