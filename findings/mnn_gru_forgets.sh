#!/usr/bin/env bash
# MNN: a GRU with a dynamic number of frames forgets everything after each frame.
#
# MNN runs models on phones; its converter reads ONNX files. The converted model is
# expected to compute the same. If the number of frames is dynamic, as in every
# recogniser and voice activity detector, a GRU is computed as if each frame were an
# utterance of its own: the state before each frame is the initial one. The outputs are
# exactly those of the frames by themselves, so the first one is right. With two
# directions the last one is not right either: nothing has been heard before it, and
# nothing after it.
#
# The converter turns a GRU into a loop (_turnGRU2While() in OnnxSequenceGRUMerge.cpp),
# or, for a model of a single frame, into the body of the loop without the loop. It
# takes an unknown number of frames to be a single one, and says so in the middle of its
# messages ("Single SeqLength"). When the model is run with more frames, all of them go
# through the body at once. No error, no warning; the shapes are right.
#
# It matters for voice activity detection, noise suppression and keyword spotting, and
# for streaming with chunks of more than one frame. A test that feeds one frame at a
# time passes. What helps: a fixed number of frames in the ONNX file, or the converter's
# option --useOriginRNNImpl. The simple RNN is right in any case.
#
# The converter is called as a function here: the command mnnconvert would install
# another package with pip.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 MNN==3.6.1
cat > convert.py <<'EOF'
import sys

import _tools  # the converter, a part of MNN

_tools.mnnconvert(["mnnconvert", *sys.argv[1:]])
EOF
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import MNN.expr
import MNN.nn
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

print("MNN", version("MNN"), "onnxruntime", onnxruntime.__version__)
FRAMES, BATCH, WIDTH, CELLS = 7, 1, 8, 4
GATES = {"GRU": 3, "RNN": 1}
ORIGINAL = "--useOriginRNNImpl"
random = np.random.default_rng(0)
x = random.standard_normal((FRAMES, BATCH, WIDTH)).astype(np.float32)


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(kind, directions, frames, batch):
    gates = GATES[kind] * CELLS
    constants = {
        "w": normal(directions, gates, WIDTH),
        "r": normal(directions, gates, CELLS),
        "b": normal(directions, 2 * gates),
    }
    attributes = {"hidden_size": CELLS}
    if directions == 2:
        attributes["direction"] = "bidirectional"
    if kind == "GRU":
        attributes["linear_before_reset"] = 1  # as PyTorch writes it
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w", "r", "b"], ["y"], **attributes)],
        "layer",
        [info("x", f, [frames, batch, WIDTH])],
        [info("y", f, [frames, directions, batch, CELLS])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def with_onnxruntime(made, x):
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def with_mnn(made, x, *options):
    onnx.save(made, "model.onnx")
    Path("model.mnn").unlink(missing_ok=True)
    files = ["--modelFile", "model.onnx", "--MNNModel", "model.mnn"]
    command = [sys.executable, "convert.py", "-f", "ONNX", *files, "--bizCode", "x"]
    said = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=True
    ).stdout
    net = MNN.nn.load_module_from_file("model.mnn", ["x"], ["y"])
    given = MNN.expr.const(x, list(x.shape), MNN.expr.NCHW, MNN.expr.float)
    (output,) = net.forward([given])
    return np.array(MNN.expr.convert(output, MNN.expr.NCHW).read()), said


cases = {
    "GRU, 7 frames": ("GRU", 1, FRAMES, BATCH, (), False),
    "GRU, any number of utterances": ("GRU", 1, FRAMES, "B", (), False),
    "GRU, any number of frames": ("GRU", 1, "T", BATCH, (), True),
    "GRU, any number of both": ("GRU", 1, "T", "B", (), True),
    "the same, --useOriginRNNImpl": ("GRU", 1, "T", "B", (ORIGINAL,), False),
    "two directions, 7 frames": ("GRU", 2, FRAMES, BATCH, (), False),
    "two directions, any number": ("GRU", 2, "T", BATCH, (), True),
    "RNN, any number of frames": ("RNN", 1, "T", BATCH, (), False),
}
print("greatest difference from onnxruntime in each of the 7 frames:")
for name, (kind, directions, frames, batch, options, is_wrong) in cases.items():
    made = model(kind, directions, frames, batch)
    known = with_onnxruntime(made, x)
    got, said = with_mnn(made, x, *options)
    errors = np.abs(got - known).max(axis=(1, 2, 3))
    print(f"{name:30}", *(f"{error:.3f}" for error in errors))
    if not is_wrong:
        if errors.max() > 1e-5:
            sys.exit(f"CHANGED: expected the values of onnxruntime: {name}")
        continue
    frames_alone = [with_onnxruntime(made, x[t : t + 1]) for t in range(FRAMES)]
    alone = np.concatenate(frames_alone)
    difference = np.abs(got - alone).max()
    print(f"{'':30} frames by themselves: {difference:.6f} apart")
    print(f"{'':30} the converter says: {'Single SeqLength' in said}")
    if errors[1:-1].min() < 0.1 or difference > 1e-5:
        sys.exit(f"CHANGED: expected each frame to be computed by itself: {name}")
EOF
