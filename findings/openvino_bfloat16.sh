#!/usr/bin/env bash
# OpenVINO: a 32-bit model is computed in bfloat16 where the processor has AMX.
#
# compile_model(model, "CPU") of a model whose weights, inputs and outputs are 32-bit
# floats is expected to compute in them, as onnxruntime does. On processors with
# bfloat16 units (Xeons since 2023) products are computed in bfloat16 by default: 8 bits
# of mantissa, differences of 1e-2 in numbers of size 1. Elsewhere the same script gives
# 1e-6. Nothing is printed; a property of the compiled model shows it.
#
# It matters for every comparison of an export with the original model: it passes on a
# laptop and fails on a server, or error rates differ between machines. With
# INFERENCE_PRECISION_HINT=f32 they agree.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 openvino==2026.4.1
venv/bin/python - <<'EOF'
import sys

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

print("OpenVINO", openvino.__version__)
random = np.random.default_rng(0)
weight = (random.standard_normal((256, 256)) / 16).astype(np.float32)
f, info = TensorProto.FLOAT, helper.make_tensor_value_info
graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["x", "weight"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "weight"], ["y"]),
    ],
    "two_layers",
    [info("x", f, [100, 256])],
    [info("y", f, [100, 256])],
    [numpy_helper.from_array(weight, "weight")],
)
opset = helper.make_opsetid("", 17)
onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), "model.onnx")
x = random.standard_normal((100, 256)).astype(np.float32)
exact = np.maximum(x.astype(np.float64) @ weight, 0) @ weight

core = openvino.Core()
model = core.read_model("model.onnx")
has_units = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
errors = {}
for name, options in {
    "defaults": {},
    "INFERENCE_PRECISION_HINT=f32": {"INFERENCE_PRECISION_HINT": "f32"},
}.items():
    compiled = core.compile_model(model, "CPU", options)
    errors[name] = np.abs(compiled([x])[0] - exact).max()
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    print(f"{name}: {precision}, greatest error {errors[name]:.1e}")
if errors["INFERENCE_PRECISION_HINT=f32"] > 1e-4:
    sys.exit("CHANGED: expected f32 to be exact to 1e-5")
if not has_units:
    print("This processor has no bfloat16 units, so there is nothing to see here")
elif errors["defaults"] < 1e-3:
    sys.exit("CHANGED: expected the defaults to be wrong by about 1e-2")
EOF
