#!/usr/bin/env bash
# tract: models that need the whole utterance are made "streaming" and forget the rest.
#
# tract runs ONNX models on devices. Its transformation Pulse turns a model of a whole
# utterance into one that gets a few frames at a time, keeps what it needs between the
# calls, and says by how many frames its output is late. One expects the same values as
# for the whole utterance, or a refusal. That is what convolutions and a GRU get (right
# to the last bit or so), and a mean over time or a sum from the end (refused). Without
# an error or a warning, these are made into something else:
# * self-attention: each frame sees the frames of its own call only. A softmax over the
#   frames is taken within the call, and so is the weighted sum.
# * a GRU with two directions: within a call the second direction runs backwards, but it
#   starts with the state after the call before, that is, after the *earliest* frame of
#   that one. It hears a sound such as "4 3 2 1, 8 7 6 5, 12 11 10 9".
# * a table of positions, cut to the number of frames: each call begins at position 0.
#
# The values depend on the number of frames in a call, and are right if all come in one.
# So a test with one call passes. It matters because a Conformer or Transformer goes
# through this: its shapes are right and it says how late it is. What helps: compare the
# output of several calls with that for the whole utterance, and make the model stream
# before the export (chunks with states as inputs and outputs).
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 tract==0.23.9
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import sys

import numpy as np
import onnx
import onnxruntime
import tract
from onnx import helper, numpy_helper

print("tract", tract.version(), "onnxruntime", onnxruntime.__version__)
FRAMES, WIDTH, CELLS = 32, 3, 4
random = np.random.default_rng(0)
node, info = helper.make_node, helper.make_tensor_value_info


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(nodes, constants, inputs=()):
    """Frames, utterances, channels in and out; any number of frames S."""
    graph = helper.make_graph(
        nodes,
        "layer",
        [info("x", onnx.TensorProto.FLOAT, ["S", 1, WIDTH]), *inputs],
        [info("y", onnx.TensorProto.FLOAT, ["S", 1, None])],
        [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def gru(directions):
    gates = 3 * CELLS
    attributes = {"hidden_size": CELLS, "linear_before_reset": 1}
    if directions == 2:
        attributes["direction"] = "bidirectional"
    nodes = [
        node("GRU", ["x", "w", "r", "b"], ["rows"], **attributes),
        node("Transpose", ["rows"], ["turned"], perm=[0, 2, 1, 3]),
        node("Reshape", ["turned", "shape"], ["y"]),
    ]
    return model(
        nodes,
        {
            "w": normal(directions, gates, WIDTH),
            "r": normal(directions, gates, CELLS),
            "b": normal(directions, 2 * gates),
            "shape": np.array([0, 1, directions * CELLS]),
        },
    )


convolution = model(
    [
        node("Transpose", ["x"], ["turned"], perm=[1, 2, 0]),
        node("Conv", ["turned", "w"], ["rows"], pads=[1, 1], kernel_shape=[3]),
        node("Transpose", ["rows"], ["y"], perm=[2, 0, 1]),
    ],
    {"w": normal(WIDTH, WIDTH, 3)},
)
mean = model(
    [
        node("ReduceMean", ["x"], ["mean"], axes=[0]),
        node("Sub", ["x", "mean"], ["y"]),
    ],
    {},
)
sum_from_end = model(
    [node("CumSum", ["x", "axis"], ["y"], reverse=1)], {"axis": np.array(0)}
)
attention = model(
    [
        node("Transpose", ["x"], ["queries"], perm=[1, 0, 2]),
        node("Transpose", ["x"], ["keys"], perm=[1, 2, 0]),
        node("MatMul", ["queries", "keys"], ["scores"]),
        node("Softmax", ["scores"], ["weights"], axis=-1),
        node("MatMul", ["weights", "queries"], ["rows"]),
        node("Transpose", ["rows"], ["y"], perm=[1, 0, 2]),
    ],
    {},
)
positions = model(
    [
        node("Shape", ["x"], ["shape"]),
        node("Slice", ["shape", "zero", "one"], ["frames"]),
        node("Slice", ["table", "zero", "frames"], ["part"]),
        node("Add", ["x", "part"], ["y"]),
    ],
    {"zero": np.array([0]), "one": np.array([1]), "table": normal(64, 1, WIDTH)},
)
both = gru(2)


def with_onnxruntime(made, **given):
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, given)[0]


def with_tract(made, x, frames):
    """In calls of so many frames, without the frames that come too early."""
    onnx.save(made, "model.onnx")
    read = tract.onnx().load("model.onnx").into_model()
    read.transform(tract.Pulse(frames, symbol="S"))
    runnable = read.into_runnable()
    (delay,) = runnable.property("pulse.delay").to_numpy().ravel()
    state = runnable.spawn_state()
    parts = [
        state.run([np.ascontiguousarray(x[t : t + frames])])[0].to_numpy()
        for t in range(0, len(x), frames)
    ]
    return np.concatenate(parts)[delay:]


def calls_alone(made, x, frames):
    starts = range(0, len(x), frames)
    return np.concatenate([with_onnxruntime(made, x=x[t : t + frames]) for t in starts])


def earlier_state(made, x, frames):
    """Both directions start with the state after the call before."""
    changed = onnx.ModelProto()
    changed.CopyFrom(made)
    changed.graph.node[0].input.extend(["", "state"])
    changed.graph.node[0].output.append("last")
    size = [2, 1, CELLS]
    changed.graph.input.append(info("state", onnx.TensorProto.FLOAT, size))
    changed.graph.output.append(info("last", onnx.TensorProto.FLOAT, size))
    session = onnxruntime.InferenceSession(
        changed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    state, parts = np.zeros(size, np.float32), []
    for t in range(0, len(x), frames):
        part, state = session.run(None, {"x": x[t : t + frames], "state": state})
        parts.append(part)
    return np.concatenate(parts)


x = normal(FRAMES, 1, WIDTH)
print("greatest difference from the whole utterance, in calls of 4 / 8 / 32 frames:")
for name, made, explained in [
    ("convolution", convolution, None),
    ("GRU", gru(1), None),
    ("minus the mean over time", mean, "refused"),
    ("sum from the end", sum_from_end, "refused"),
    ("self-attention", attention, calls_alone),
    ("GRU, two directions", both, earlier_state),
    ("table of positions", positions, calls_alone),
]:
    known = with_onnxruntime(made, x=x)
    errors, unexplained = [], []
    for frames in 4, 8, FRAMES:
        try:
            got = with_tract(made, x, frames)
        except tract.TractError:
            if explained != "refused":
                sys.exit(f"CHANGED: expected it not to be refused: {name}")
            continue
        errors.append(np.abs(got - known[: len(got)]).max())
        if callable(explained):
            unexplained.append(np.abs(got - explained(made, x, frames)).max())
    if explained == "refused":
        print(f"{name:26} refused")
        if errors:
            sys.exit(f"CHANGED: expected it to be refused: {name}")
        continue
    print(f"{name:26}", *(f"{error:.4f}" for error in errors))
    if explained is None:
        if max(errors) > 1e-5:
            sys.exit(f"CHANGED: expected the values of onnxruntime: {name}")
        continue
    print(f"{'':26} from what is described above: {max(unexplained):.6f}")
    if min(errors[:2]) < 0.1 or errors[2] > 1e-5 or max(unexplained) > 1e-5:
        sys.exit(f"CHANGED: expected values that depend on the calls: {name}")
EOF
