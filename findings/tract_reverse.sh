#!/usr/bin/env bash
# tract: recurrent layers that run from the end to the beginning run from the beginning.
#
# LSTM, GRU and RNN of ONNX have a direction: forward, reverse or bidirectional. tract computes
# "reverse" as "forward", with the weights of the reverse layer, without an error or a message.
# "bidirectional" is right, so the test of a usual BLSTM finds nothing. Converters that write
# a bidirectional layer as two layers (those from TensorFlow do, and tools that cut or prune
# one direction) give models with "reverse".
#
# A batch with utterances of different lengths is refused, as it should be
# ("Non uniform seq_len is not supported"). OpenVINO and onnxruntime compute all three
# directions.
#
# It matters because the shapes are right and the numbers plausible: half of the layer's outputs
# have the wrong context. What helps: one bidirectional layer, or
# a Slice with step -1 before and after a forward one.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 tract==0.23.9
venv/bin/python - 2> errors <<'EOF' || { cat errors >&2; exit 1; }
import sys

import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper, numpy_helper

print("tract", tract.version(), "onnxruntime", onnxruntime.__version__)
FRAMES, WIDTH, CELLS = 12, 6, 4
random = np.random.default_rng(0)
features = random.standard_normal((FRAMES, 1, WIDTH)).astype(np.float32)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def model(kind, direction):
    directions = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * CELLS
    seeded = np.random.default_rng(1)
    shapes = {"W": (rows, WIDTH), "R": (rows, CELLS), "B": (2 * rows,)}
    weights = []
    for name, shape in shapes.items():
        # the same weights in both directions
        one = seeded.standard_normal((1, *shape)).astype(np.float32)
        weights.append(numpy_helper.from_array(np.repeat(one, directions, 0), name))
    node = helper.make_node(
        kind, ["features", *shapes], ["outputs"], hidden_size=CELLS, direction=direction
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, features.shape)],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def in_onnxruntime(made):
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"features": features})[0]


def in_tract(made):
    onnx.save(made, "model.onnx")
    runnable = tract.onnx().load("model.onnx").into_model().into_runnable()
    return runnable.run([features])[0].to_numpy()


def off(left, right):
    return float(np.abs(left - right).max())


for kind in GATES:
    right = {d: in_onnxruntime(model(kind, d)) for d in ("forward", "reverse", "bidirectional")}
    # A check of onnxruntime by the definition: reverse is forward on reversed frames.
    features = features[::-1].copy()
    turned = in_onnxruntime(model(kind, "forward"))[::-1]
    features = features[::-1].copy()
    assert off(right["reverse"], turned) < 1e-5
    assert off(right["bidirectional"][:, 1:], right["reverse"]) < 1e-5
    found = {direction: in_tract(model(kind, direction)) for direction in right}
    errors = {direction: off(found[direction], right[direction]) for direction in right}
    as_forward = off(found["reverse"], right["forward"])
    print(
        kind,
        ", ".join(f"{direction} {error:.1e} off" for direction, error in errors.items()),
        f"; reverse is {as_forward:.1e} from forward",
    )
    if errors["reverse"] < 0.05 or as_forward > 1e-5:
        sys.exit(f"CHANGED: {kind}, reverse")
    if max(errors["forward"], errors["bidirectional"]) > 1e-5:
        sys.exit(f"CHANGED: {kind}, other directions")
EOF
