#!/usr/bin/env bash
# onnx: the reference implementation ignores the lengths of utterances, and more.
#
# onnx.reference.ReferenceEvaluator computes a model with numpy, operator by operator.
# It is what one compares an export or a runtime with, and is expected to compute what
# the definition of an operator says, or to refuse. It leaves these out silently:
# * sequence_lens of LSTM, GRU and RNN: each utterance of a batch is computed with its
#   padding. The rows after its end are not zero, the last state is the one after the
#   padding, and the second direction begins in the padding, so that the valid rows are
#   wrong as well.
# * clip (LSTM, GRU, RNN), activations and input_forget (LSTM, GRU).
# The values are those of the model without the input or attribute, to the last bit.
# For the first, the same evaluator disagrees with itself: one utterance at a time it is
# right. Formulas and onnxruntime confirm the rest. A note in its source says that such
# attributes are still to be supported; nothing says so when a model is run.
#
# Three operators around the output layer of a recogniser differ from their definition:
# * LogSoftmax takes the logarithm of a probability that is already zero: minus infinity
#   below -104 with 32 bits, and below -17 with 16.
# * ReduceLogSumExp of minus infinity alone, which is what an impossible path has, is
#   NaN (the logarithm of a sum of zeros: minus infinity).
# * Softmax before version 13 with axis=1 is over all dimensions from the second on. It
#   is computed over the second dimension only, as from version 13 on.
#
# It matters when the reference decides: a runtime that ignores lengths (OpenVINO does)
# passes the comparison, and one that follows them (onnxruntime) seems to be wrong. What
# helps: compare with the network that was exported, and each utterance by itself.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
LENGTHS, WIDTH, CELLS = [7, 3, 5], 5, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
random = np.random.default_rng(0)


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def model(node, x, constants, outputs, version=17):
    info = helper.make_tensor_value_info
    number = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [node],
        "layer",
        [info("x", number, x.shape)],
        [info(name, number, size) for name, size in outputs.items()],
        [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", version)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def recurrent(kind, weights, x, lengths=None, directions=1, **attributes):
    inputs, constants = ["x", "w", "r", "b"], dict(weights)
    if lengths is not None:
        inputs.append("lengths")
        constants["lengths"] = np.array(lengths, np.int32)
    if directions == 2:
        attributes["direction"] = "bidirectional"
    frames, utterances, _ = x.shape
    outputs = {
        "y": [frames, directions, utterances, CELLS],
        "h": [directions, utterances, CELLS],
    }
    node = helper.make_node(kind, inputs, [*outputs], hidden_size=CELLS, **attributes)
    return model(node, x, constants, outputs)


def random_weights(kind, directions):
    gates = GATES[kind] * CELLS
    return {
        "w": normal(directions, gates, WIDTH),
        "r": normal(directions, gates, CELLS),
        "b": normal(directions, 2 * gates),
    }


def reference(made, x):
    return ReferenceEvaluator(made).run(None, {"x": x})


def with_onnxruntime(made, x):
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})


def difference(a, b):
    return max(float(np.abs(p - q).max()) for p, q in zip(a, b, strict=True))


def require(condition, text):
    if not condition:
        sys.exit(f"CHANGED: {text}")


x = normal(max(LENGTHS), len(LENGTHS), WIDTH)
for n, length in enumerate(LENGTHS):
    x[length:, n] = 1  # padding
print("utterances of 7, 3, 5 frames; greatest error of the reference:")
for kind in GATES:
    for directions in 1, 2:
        weights = random_weights(kind, directions)
        made = recurrent(kind, weights, x, LENGTHS, directions)
        got = reference(made, x)
        rows, states = np.zeros_like(got[0]), np.zeros_like(got[1])
        for n, length in enumerate(LENGTHS):
            alone = np.ascontiguousarray(x[:length, n : n + 1])
            single = recurrent(kind, weights, alone, None, directions)
            rows[:length, :, n : n + 1], states[:, n : n + 1] = reference(single, alone)
        right = difference(with_onnxruntime(made, x), [rows, states])
        ignored = recurrent(kind, weights, x, None, directions)
        valid = max(
            float(np.abs(got[0][:length, :, n] - rows[:length, :, n]).max())
            for n, length in enumerate(LENGTHS)
        )
        print(
            f"{kind:4} {directions} direction(s): valid rows {valid:.3f}, rows after "
            f"the end {difference(got[:1], [rows]):.3f}, last states "
            f"{difference(got[1:], [states]):.3f}"
        )
        require(right < 1e-5, "expected onnxruntime to follow the lengths")
        require(difference(got[1:], [states]) > 0.05, "expected wrong last states")
        require((valid > 0.1) == (directions == 2), "expected other valid rows")
        without = difference(got, reference(ignored, x))
        require(without == 0, "expected the values without lengths")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(weights, x, f=sigmoid, g=np.tanh, h=np.tanh, coupled=False):
    w, r, b = (weights[k][0].astype(np.float64) for k in "wrb")
    state = cell = np.zeros((x.shape[1], CELLS))
    rows = []
    for frame in x:
        gates = frame @ w.T + state @ r.T + b[: 4 * CELLS] + b[4 * CELLS :]
        i, o, forget, c = np.split(gates, 4, axis=-1)
        kept = 1 - f(i) if coupled else f(forget)
        cell = kept * cell + f(i) * g(c)
        state = f(o) * h(cell)
        rows.append(state)
    return [np.stack(rows)[:, None], state[None]]


def rnn(weights, x, clip):
    w, r, b = (weights[k][0].astype(np.float64) for k in "wrb")
    state, rows = np.zeros((x.shape[1], CELLS)), []
    for frame in x:
        total = frame @ w.T + state @ r.T + b[:CELLS] + b[CELLS:]
        state = np.tanh(np.clip(total, -clip, clip))
        rows.append(state)
    return [np.stack(rows)[:, None], state[None]]


def hard(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def softsign(x):
    return x / (1 + np.abs(x))


print("attributes; error of the reference, of onnxruntime (against the formulas):")
cell, simple = random_weights("LSTM", 1), random_weights("RNN", 1)
names = ["HardSigmoid", "Softsign", "Softsign"]
for kind, weights, attributes, known in [
    ("LSTM", cell, {}, lstm(cell, x)),
    ("LSTM", cell, {"activations": names}, lstm(cell, x, hard, softsign, softsign)),
    ("LSTM", cell, {"input_forget": 1}, lstm(cell, x, coupled=True)),
    ("RNN", simple, {}, rnn(simple, x, np.inf)),
    ("RNN", simple, {"clip": 0.5}, rnn(simple, x, 0.5)),
]:
    made = recurrent(kind, weights, x, **attributes)
    got = reference(made, x)
    wrong, right = difference(got, known), difference(with_onnxruntime(made, x), known)
    print(f"{kind:4} {attributes or 'no attribute'}: {wrong:.3f}, {right:.6f}")
    require(right < 1e-5, "expected onnxruntime to be right")
    require((wrong > 0.1) == bool(attributes), "expected attributes to be ignored")
    plain = reference(recurrent(kind, weights, x), x)
    require(difference(got, plain) == 0, "expected the values without the attribute")

print("how much an attribute changes the values; the reference / onnxruntime:")
for kind, attributes in [
    ("LSTM", {"clip": 0.5}),
    ("GRU", {"clip": 0.5}),
    ("GRU", {"activations": names[:2]}),
]:
    weights = random_weights(kind, 1)
    made, plain = recurrent(kind, weights, x, **attributes), recurrent(kind, weights, x)
    ours = difference(reference(made, x), reference(plain, x))
    theirs = difference(with_onnxruntime(made, x), with_onnxruntime(plain, x))
    print(f"{kind:4} {attributes}: {ours:.3f} / {theirs:.3f}")
    require(ours == 0 and theirs > 0.1, "expected attributes to be ignored")


def one(kind, x, size, version=17, **attributes):
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    made = model(node, x, {}, {"y": size}, version)
    with np.errstate(all="ignore"):
        return reference(made, x)[0], with_onnxruntime(made, x)[0]


print("the output layer; the reference / onnxruntime:")
for numbers, dtype in ([0, -50, -100, -110], np.float32), ([0, -10, -20], np.float16):
    got, right = one("LogSoftmax", np.array([numbers], dtype), [1, len(numbers)])
    print(f"LogSoftmax, {dtype.__name__}: {got[0].round(2)} / {right[0].round(2)}")
    require(got[0, -1] == -np.inf, "expected minus infinity")
    require(abs(right[0, -1] - numbers[-1]) < 0.1, "expected onnxruntime to be right")
impossible = np.full((1, 3), -np.inf, np.float32)
got, right = one("ReduceLogSumExp", impossible, [1, 1], axes=[1])
print(f"ReduceLogSumExp of minus infinity: {got[0]} / {right[0]}")
require(np.isnan(got[0, 0]) and right[0, 0] == -np.inf, "expected NaN")
got, right = one("Softmax", normal(2, 3, 4), [2, 3, 4], version=11, axis=1)
print(f"Softmax of version 11, axis 1: sums {got.sum(1)[0]} / {right.sum((1, 2))}")
require(np.allclose(right.sum((1, 2)), 1), "expected onnxruntime to be right")
require(np.allclose(got.sum(1), 1), "expected sums of 1 over the second dimension")
EOF
