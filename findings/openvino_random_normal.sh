#!/usr/bin/env bash
# OpenVINO: RandomNormal and RandomNormalLike without a seed do not draw normal numbers.
#
# ONNX's RandomNormalLike gives numbers with mean 0 and standard deviation 1; the seed is
# optional, and "if not specified we will auto generate one". With onnxruntime that is
# so. With OpenVINO they have skewness 1 (normal: 0), mean 0.06, standard deviation 1.06,
# and none of 100,000 is below -1.25, where a tenth should be. With a seed other than 0
# they are normal.
#
# The numbers come from two uniform ones, sqrt(-2 ln u) cos(2 pi v). Without a seed the
# two operators that draw u and v are equal, and become one: the moments below are those
# of this formula with u = v. A model's own operators share this: RandomUniformLike, used
# twice on a tensor, gives the same numbers twice.
#
# It matters for models that draw noise while they run: VITS and other synthesis,
# diffusion, dither. They work with noise that they were not trained with, comparing
# single outputs with onnxruntime's shows nothing, as they are random anyway, and seeds
# are left out because fresh noise is wanted. What helps: a seed for each operator, or
# noise as an input.
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
from onnx import TensorProto, helper

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
zeros = np.zeros((100, 1000), np.float32)


def model(operator, times=1, **seed):
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    names = [f"y{n}" for n in range(times)]
    draws = [helper.make_node(operator, ["x"], [f"to_{n}"], **seed) for n in names]
    graph = helper.make_graph(
        draws + [helper.make_node("Add", ["x", f"to_{n}"], [n]) for n in names],
        "adds_noise",
        [info("x", f, ["T", "F"])],
        [info(name, f, ["T", "F"]) for name in names],
    )
    opset = helper.make_opsetid("", 17)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def with_onnxruntime(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": zeros})


def with_openvino(model):
    core = openvino.Core()
    # With 32 bits; the default may be bfloat16, which is another surprise.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model), "CPU", options)
    outputs = compiled([zeros])
    return [outputs[output] for output in compiled.outputs]


def moments(numbers):
    numbers = numbers.astype(np.float64).ravel()
    skewness = ((numbers - numbers.mean()) ** 3).mean() / numbers.std() ** 3
    below = (numbers < -1.25).mean()
    return np.array([numbers.mean(), numbers.std(), skewness, below])


u = (np.arange(10**6) + 0.5) / 10**6  # every value of a uniform number
one_for_two = moments(np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * u))
normal = np.array([0, 1, 0, 0.10565])  # the last: the normal distribution at -1.25
like = "RandomNormalLike"
cases = {
    "onnxruntime": (with_onnxruntime(model(like))[0], normal),
    "OpenVINO, seed 1": (with_openvino(model(like, seed=1.0))[0], normal),
    "OpenVINO": (with_openvino(model(like))[0], one_for_two),
    "OpenVINO, seed 0": (with_openvino(model(like, seed=0.0))[0], one_for_two),
}
print("from 100,000 numbers:      mean  deviation  skewness  part below -1.25")
for name, numbers in {"normal": normal, "formula with u = v": one_for_two}.items():
    print(f"{name:25}", *(f"{number:9.3f}" for number in numbers))
for name, (numbers, known) in cases.items():
    got = moments(numbers)
    print(f"{name:25}", *(f"{number:9.3f}" for number in got))
    # About ten standard errors of the skewness, and more of the others.
    if np.abs(got - known).max() > 0.08 or abs(got[3] - known[3]) > 0.01:
        sys.exit(f"CHANGED: expected {known} with {name}")

for name, run, known in (
    ("onnxruntime", with_onnxruntime, False),
    ("OpenVINO", with_openvino, True),
):
    first, second = run(model("RandomUniformLike", times=2))
    equal = np.array_equal(first, second)
    print(f"{name}: two operators draw the same numbers: {equal}")
    if equal != known:
        sys.exit(f"CHANGED: expected {known}")
EOF
