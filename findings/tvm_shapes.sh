#!/usr/bin/env bash
# TVM: Expand to a computed shape loses rows, ConvTranspose ignores output_shape.
#
# * Expand broadcasts in both directions, as numpy does: (4, 1) expanded to (1, T) is (4, T).
#   With a constant shape, TVM's importer does that. With a shape that is computed in the
#   graph (from the length of another input) it takes the shape literally: the result is
#   (1, T), and three of four rows are missing.
# * ConvTranspose has output_shape, from which the padding follows (tf2onnx writes it). The
#   attribute is ignored: 11 samples instead of 10, and the one that should be cut off is the
#   first, so all others are one place late.
# * IsInf with detect_negative=0 or detect_positive=0 finds both signs.
#
# No error and no warning. onnxruntime and numpy agree on all three.
#
# It matters because the importer is meant for models whose length is not known: a mask or
# position that is expanded along the time axis has one row, which later broadcasts without
# an error. What torch.onnx 2.14.1 writes for `expand` came out right in both of its
# exporters; models of other tools and those that an optimiser has rewritten need a check.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 apache-tvm==0.27.0.post1
venv/bin/python - 2> errors <<'EOF' || { cat errors >&2; exit 1; }
import sys

import numpy as np
import onnxruntime
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

print("TVM", tvm.__version__, "onnxruntime", onnxruntime.__version__)
KINDS = {"float32": TensorProto.FLOAT, "bool": TensorProto.BOOL}


def both(nodes, inputs, constants=(), kind="float32"):
    """Return the result of onnxruntime and that of TVM.

    inputs: name -> (array, shape in the model).
    """
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **node[3]) for node in nodes],
        "graph",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, (_, shape) in inputs.items()
        ],
        [helper.make_tensor_value_info("y", KINDS[kind], None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    values = {name: value for name, (value, _) in inputs.items()}
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, values)[0]
    compiled = tvm.compile(from_onnx(model, keep_params_in_input=False), target="llvm")
    machine = relax.VirtualMachine(compiled, tvm.cpu())
    found = machine["main"](*[tvm.runtime.tensor(value) for value in values.values()])
    return expected, found.numpy()


rows = np.arange(4, dtype=np.float32)[:, None]
audio = np.zeros((2, 5), np.float32)
expected, found = both([("Expand", ["rows", "to"], ["y"], {})], {"rows": (rows, (4, 1))},
                       [("to", [1, 5])])
assert np.array_equal(expected, np.repeat(rows, 5, 1)) and np.array_equal(found, expected)
print("Expand (4, 1) to the constant (1, 5):", found.shape)

length = [
    ("Shape", ["audio"], ["shape"], {}),
    ("Gather", ["shape", "second"], ["length"], {}),
    ("Concat", ["one", "length"], ["to"], {"axis": 0}),
]
expected, found = both(
    [*length, ("Expand", ["rows", "to"], ["y"], {})],
    {"audio": (audio, ("batch", "samples")), "rows": (rows, (4, 1))},
    [("second", [1]), ("one", [1])],
)
assert np.array_equal(expected, np.repeat(rows, 5, 1))
print("Expand (4, 1) to the computed (1, 5):", found.shape, "instead of", expected.shape)
if not np.array_equal(found, expected[:1]):
    sys.exit("CHANGED: Expand to a computed shape")

taps, samples = np.array([[[1, 2, 4]]], np.float32), np.ones((1, 1, 5), np.float32)
upsampled = {"strides": [2], "output_shape": [10]}
expected, found = both([("ConvTranspose", ["x", "taps"], ["y"], upsampled)],
                       {"x": (samples, (1, 1, 5))}, [("taps", taps)])
whole = np.zeros(11, np.float32)
for place in range(5):
    whole[2 * place : 2 * place + 3] += taps[0, 0]
assert np.array_equal(expected[0, 0], whole[1:])
print("ConvTranspose to 10 samples:", found[0, 0], "instead of", expected[0, 0])
if not np.array_equal(found[0, 0], whole):
    sys.exit("CHANGED: output_shape of ConvTranspose")

numbers = np.array([1, np.inf, -np.inf], np.float32)
for option, right in (("detect_negative", [0, 1, 0]), ("detect_positive", [0, 0, 1])):
    expected, found = both([("IsInf", ["x"], ["y"], {option: 0})], {"x": (numbers, (3,))},
                           kind="bool")
    assert expected.tolist() == [bool(one) for one in right]
    print(f"IsInf, {option}=0:", found, "instead of", expected)
    if found.tolist() != [False, True, True]:
        sys.exit(f"CHANGED: {option} of IsInf")
EOF
