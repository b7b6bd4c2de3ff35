#!/usr/bin/env bash
# PyTorch: five functions are exported to ONNX as others, with other values for usual inputs.
#
# torch.onnx.export() takes these without an error or a warning about them, and onnxruntime
# computes what the file says:
#
# * logsigmoid (both exporters) becomes log(sigmoid(x)), and onnxruntime's sigmoid is 0 from
#   about -18 on: these scores are minus infinity. A sum with one of them, or a
#   comparison of two, is lost.
# * log1p (both exporters) becomes log(1 + x): for powers around 1e-8, which quiet frames have,
#   the result is 0 or 1.2e-7, so soft frames are all equal or all silent.
# * expm1 (the new exporter) becomes exp(x) - 1, with the same loss.
# * With dynamo=False, // and floor_divide round towards zero: -3 // 2 is -1 in the
#   file and -2 in PyTorch. Positions before the current frame (relative positions, left
#   contexts) are negative.
# * With dynamo=False and dynamic sizes, index_add with an index that occurs twice keeps one of
#   the two: the sum of the frames of a token is one of its frames.
#
# It matters because a network is exported once and compared on an utterance of
# usual level, where none of this is seen. One expects the functions that exist for accuracy to
# keep it (x - softplus(x) for logsigmoid), and an error for what has no equal.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch: several
# GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 torch==2.14.1 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
venv/bin/python -W ignore - 2> messages <<'EOF' || { tail -n 20 messages >&2; exit 1; }
import contextlib
import io
import sys

import numpy as np
import onnxruntime
import torch

print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def exported(function, inputs, dynamo):
    with contextlib.redirect_stdout(io.StringIO()):
        sizes = {"dynamic_shapes": ({0: torch.export.Dim("count", min=2, max=100)},)}
        if not dynamo:
            sizes = {"input_names": ["x"], "dynamic_axes": {"x": {0: "count"}}}
        torch.onnx.export(Function(function), (inputs,), "f.onnx", dynamo=dynamo, **sizes)
    session = onnxruntime.InferenceSession("f.onnx")
    return session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0]


cases = {
    "logsigmoid": (torch.nn.functional.logsigmoid, [-100.0, -30.0, -19.0], (True, False)),
    "log1p": (torch.log1p, [1e-8, 5e-8, 1e-7], (True, False)),
    "expm1": (torch.expm1, [1e-8, 5e-8, 1e-7], (True,)),
    "x // 2": (lambda x: x.long() // 2, [-3.0, -1.0, 3.0], (True, False)),
    "index_add": (
        lambda x: torch.zeros(2).index_add(0, (x > 1.5).long(), x),
        [1.0, 2.0, 3.0, 4.0],
        (True, False),
    ),
}
wrong = {}
for name, (function, values, exporters) in cases.items():
    inputs = torch.tensor(values)
    right = function(inputs).numpy()
    for dynamo in exporters:
        found = exported(function, inputs, dynamo)
        with np.errstate(invalid="ignore"):
            off = np.abs(found - right) / np.maximum(np.abs(right), 1e-30)
        wrong[name, dynamo] = bool((off > 0.01).any())
        print(f"{name:10} dynamo={dynamo!s:5} of {values}: file {found}, PyTorch {right}")
expected = {
    ("logsigmoid", True): True,
    ("logsigmoid", False): True,
    ("log1p", True): True,
    ("log1p", False): True,
    ("expm1", True): True,
    ("x // 2", True): False,
    ("x // 2", False): True,
    ("index_add", True): False,
    ("index_add", False): True,
}
if wrong != expected:
    sys.exit(f"CHANGED: {wrong}")
EOF
