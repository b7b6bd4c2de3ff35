#!/usr/bin/env bash
# onnx: utils.extract_model() drops the metadata of the file, similar functions keep it.
#
# Recognisers keep what they need to know in a model's metadata: sub-sampling factor,
# size of the vocabulary, sizes of caches. onnx's shape inference, version converter and
# merging, onnxruntime's optimiser and quantiser, and the conversion to float16 keep it,
# so one expects the same of extract_model(), which cuts a part out of a graph (for
# example to leave out an output that a runtime does not accept). It writes a file
# without metadata, and its checker accepts the file.
#
# It matters because the file works in onnxruntime, and sherpa-onnx ends the whole
# process with a message when it looks for a key: after deployment, not at the export.
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
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
logging.disable(logging.WARNING)
f, info = TensorProto.FLOAT, helper.make_tensor_value_info
weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["x", "weight"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["y"]),
    ],
    "layer",
    [info("x", f, ["N", 64])],
    [info("y", f, ["N", 64])],
    [numpy_helper.from_array(weight, "weight")],
)
opset = helper.make_opsetid("", 17)
model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
ABOUT = {"vocab_size": "500", "subsampling_factor": "4"}
helper.set_model_props(model, ABOUT)
onnx.save(model, "model.onnx")

options = onnxruntime.SessionOptions()
options.optimized_model_filepath, options.log_severity_level = "optimised.onnx", 3
onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
quantize_dynamic("model.onnx", "int8.onnx")
onnx.utils.extract_model("model.onnx", "part.onnx", ["x"], ["y"])
other = onnx.compose.add_prefix(model, "second_")
results = {
    "shape inference": onnx.shape_inference.infer_shapes(model),
    "version converter": onnx.version_converter.convert_version(model, 18),
    "merging": onnx.compose.merge_models(model, other, [("y", "second_x")]),
    "float16": convert_float_to_float16(model),
    "onnxruntime's optimiser": onnx.load("optimised.onnx"),
    "quantize_dynamic": onnx.load("int8.onnx"),
    "extract_model": onnx.load("part.onnx"),
}
for name, each in results.items():
    onnx.checker.check_model(each)
    kept = ABOUT.items() <= {p.key: p.value for p in each.metadata_props}.items()
    print(f"{name:24} {'kept' if kept else 'LOST'}")
    if kept == (name == "extract_model"):
        sys.exit("CHANGED: expected that only extract_model() loses it")
EOF
