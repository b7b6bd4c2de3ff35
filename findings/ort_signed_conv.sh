#!/usr/bin/env bash
# onnxruntime: quantize_dynamic() with its defaults makes convolutions several times
# slower.
#
# Eight bits instead of 32 are expected to be faster, or as fast where there is little
# to compute. By default every operator that can be quantised is quantised, also
# convolutions, with signed weights. On x86 there is no fast kernel for ConvInteger with
# signed weights: the network below takes about 6 times as long as in 32 bits. With
# weight_type=QuantType.QUInt8, the same number of bits, it is about as fast as in 32.
#
# It matters for conformers, half of whose modules are convolutions: the file is a
# quarter of the size, the texts are right, and the device needs several times the
# battery. For matrix products it is the other way round: signed weights are the faster
# ones.
#
# Processor time of one thread, best of 15; the ratio is judged with a wide margin.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0
venv/bin/python - <<'EOF'
import logging
import platform
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

print("onnxruntime", onnxruntime.__version__, platform.machine())
if platform.machine() not in ("x86_64", "AMD64"):
    sys.exit("Not x86: nothing is known of this machine")
logging.disable(logging.WARNING)
WIDTH, FRAMES = 96, 1000
random = np.random.default_rng(0)

# What three convolution modules of a conformer consist of.
nodes, constants, x = [], {}, "x"
for n in range(3):
    for name, shape in {
        "wide": (2 * WIDTH, WIDTH, 1),
        "narrow": (WIDTH, 2 * WIDTH, 1),
        "depth": (WIDTH, 1, 15),
    }.items():
        constants[f"{name}{n}"] = random.normal(0, 0.1, shape).astype(np.float32)
    nodes += [
        helper.make_node("Conv", [x, f"wide{n}"], [f"a{n}"]),
        helper.make_node("Relu", [f"a{n}"], [f"b{n}"]),
        helper.make_node("Conv", [f"b{n}", f"narrow{n}"], [f"c{n}"]),
        helper.make_node(
            "Conv", [f"c{n}", f"depth{n}"], [f"y{n}"], group=WIDTH, pads=[7, 7]
        ),
    ]
    x = f"y{n}"
f, info = TensorProto.FLOAT, helper.make_tensor_value_info
graph = helper.make_graph(
    nodes,
    "convolutions",
    [info("x", f, [1, WIDTH, "T"])],
    [info(x, f, [1, WIDTH, "T"])],
    [numpy_helper.from_array(v, k) for k, v in constants.items()],
)
opset = helper.make_opsetid("", 17)
model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
onnx.save(model, "float.onnx")
quantize_dynamic("float.onnx", "defaults.onnx")
quantize_dynamic("float.onnx", "unsigned.onnx", weight_type=QuantType.QUInt8)

features = {"x": random.standard_normal((1, WIDTH, FRAMES)).astype(np.float32)}


def milliseconds(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    session.run(None, features)
    best = float("inf")
    for _ in range(15):
        before = time.process_time()
        session.run(None, features)
        best = min(best, time.process_time() - before)
    return 1000 * best


names = ("float", "defaults", "unsigned")
times = {name: milliseconds(f"{name}.onnx") for name in names}
for name, value in times.items():
    print(f"{name:8} {value:6.1f} ms, {value / times['float']:.2f} of 32 bits")
if times["defaults"] < 1.5 * times["float"]:
    sys.exit("CHANGED: expected the defaults to take several times as long")
if times["defaults"] < 1.5 * times["unsigned"]:
    sys.exit("CHANGED: expected unsigned weights to be much faster")
EOF
