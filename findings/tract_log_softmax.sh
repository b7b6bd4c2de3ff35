#!/usr/bin/env bash
# tract: LogSoftmax is log(softmax(x)): minus infinity below -17 with 16 bits.
#
# tract runs ONNX models on devices, also with 16 bits (its transformation f32_to_f16).
# ONNX has an operator LogSoftmax so that small probabilities keep their logarithm: x
# minus the greatest x, minus the logarithm of a sum of at least 1. Nothing is lost,
# with any number of bits. tract computes the probability first:
# * 16 bits: log-probabilities below about -17 are minus infinity, as no number between
#   0 and 6e-8 exists. One frame in which a token is 20 above the others leaves minus
#   infinity for all others.
# * 32 bits: minus infinity from about -104. Between -87 and -104 the values are wrong
#   (on a Xeon): all are near -87, and a less likely token can get the higher value.
# Two related operators have no protection from large numbers either. With 16 bits,
# ReduceLogSumExp and Softplus of 12 are infinite (32 bits: of 90); the result is 12.
# onnxruntime is right in all these cases, also for a model with 16 bits.
#
# It matters because LogSoftmax is the last operator of nearly every CTC recogniser. A
# beam search, a forced alignment, and a confidence cannot recover from one frame of
# minus infinity, and a distillation gets NaN from 0 * -inf. The best token of each
# frame stays the same, so that greedy decoding hides it. What helps: end the model with
# the numbers before LogSoftmax, and compute it outside.
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
from onnx import helper

print("tract", tract.version(), "onnxruntime", onnxruntime.__version__)
np.set_printoptions(linewidth=100, suppress=True)


def model(kind, columns, dtype):
    attributes = {"axes": [-1]} if kind == "ReduceLogSumExp" else {}
    size = [1, 1] if attributes else [1, columns]
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], ["y"], **attributes)],
        "layer",
        [info("x", number, [1, columns])],
        [info("y", number, size)],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def with_tract(kind, x, dtype):
    """With 16 bits, the model of 32 bits is transformed as tract offers it."""
    onnx.save(model(kind, x.size, np.float32), "model.onnx")
    read = tract.onnx().load("model.onnx").into_model()
    if dtype is np.float16:
        read.transform("f32_to_f16")
    (output,) = read.into_runnable().run([x.astype(dtype)])
    output = output.to_numpy()
    assert output.dtype == dtype
    return output[0].astype(np.float64)


def with_onnxruntime(kind, x, dtype):
    session = onnxruntime.InferenceSession(
        model(kind, x.size, dtype).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    return session.run(None, {"x": x.astype(dtype)})[0][0].astype(np.float64)


def by_formula(kind, x, dtype):
    x = x.astype(dtype)[0].astype(np.float64)
    if kind == "Softplus":
        return np.logaddexp(0, x)
    sum_of_all = np.logaddexp.reduce(x)
    return x - sum_of_all if kind == "LogSoftmax" else sum_of_all[None]


def row(*values):
    return np.array([values], np.float32)


cases = [  # and what is infinite in the output
    ("LogSoftmax", row(0, -8, -12, -15), np.float16, [0, 0, 0, 0]),
    ("LogSoftmax", row(0, -12, -18, -25), np.float16, [0, 0, 1, 1]),
    ("LogSoftmax", row(20, 0, 1, -1, 0.5), np.float16, [0, 1, 1, 1, 1]),
    ("LogSoftmax", row(0, -40, -80), np.float32, [0, 0, 0]),
    ("LogSoftmax", row(0, -106, -150), np.float32, [0, 1, 1]),
    ("ReduceLogSumExp", row(10, 3), np.float16, [0]),
    ("ReduceLogSumExp", row(12, 3), np.float16, [1]),
    ("ReduceLogSumExp", row(90, 3), np.float32, [1]),
    ("Softplus", row(-3, 0, 10), np.float16, [0, 0, 0]),
    ("Softplus", row(0, 12, 20), np.float16, [0, 1, 1]),
    ("Softplus", row(0, 80, 90), np.float32, [0, 0, 1]),
]
for kind, x, dtype, infinite in cases:
    known = by_formula(kind, x, dtype)
    runtime, got = with_onnxruntime(kind, x, dtype), with_tract(kind, x, dtype)
    print(f"{kind} of {x[0]}, {np.dtype(dtype).itemsize * 8} bits:")
    print("    formula    ", known.round(3))
    print("    onnxruntime", runtime.round(3))
    print("    tract      ", got.round(3))
    if not np.allclose(runtime, known, rtol=1e-3, atol=1e-3):
        sys.exit("CHANGED: expected onnxruntime to be right")
    wrong = np.isinf(got)
    if wrong.tolist() != [bool(n) for n in infinite]:
        sys.exit("CHANGED: expected other infinite values")
    if not np.allclose(got[~wrong], known[~wrong], rtol=1e-2, atol=1e-2):
        sys.exit("CHANGED: expected the other values to be right")

x = row(0, *range(-84, -104, -2))
got = with_tract("LogSoftmax", x, np.float32)
print("LogSoftmax from -84 to -102, 32 bits:", got[1:].round(2))
if np.abs(got - by_formula("LogSoftmax", x, np.float32)).max() < 1:
    sys.exit("CHANGED: expected wrong values before the infinite ones")
if (np.diff(got[1:]) < 0).all():
    sys.exit("CHANGED: expected a less likely token with a higher value")
EOF
