#!/usr/bin/env bash
# onnx2tf: a small floor becomes zero, so that digital silence has minus infinity.
#
# Front ends take the logarithm of the energy in mel filters. So that silence has a
# logarithm, smaller energies are replaced by a floor: 1e-10 in ESPnet and Whisper, 1.2e-7
# (the epsilon of 32-bit numbers) in Kaldi. In ONNX that is Clip or Max, and then Log.
#
# onnx2tf converts ONNX to LiteRT (TensorFlow Lite). A floor up to 1e-6, in Clip with or
# without an upper limit and in Max, becomes zero. The logarithm of digital silence is then
# minus infinity, and NaN after a normalisation or a layer. Nothing is logged or refused.
# A floor of 2e-6 or 1e-5 is kept.
#
# It matters because recordings have some noise, for which the converted model is right;
# digital silence, as in padding, muted microphones and synthetic speech, makes all its
# outputs NaN. What helps: scale first, log(max(x / floor, 1)) + log(floor).
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.2.6 onnx==1.20.1 onnxruntime==1.26.0 onnx2tf==2.6.9 ai-edge-litert==2.1.2
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

print("onnx2tf", version("onnx2tf"), "LiteRT", version("ai-edge-litert"))
energies = np.array([[0.0, 1e-12, 1e-3, 0.5, 40.0, 9.0]], np.float32)


def model(kind, floor):
    constants = {"floor": floor, "most": 1e6, "factor": 1 / floor, "one": 1, "shift": np.log(floor)}
    if kind == "scaled":
        steps = [("Mul", ["x", "factor"], "a"), ("Clip", ["a", "one"], "b")]
        steps += [("Log", ["b"], "c"), ("Add", ["c", "shift"], "y")]
    else:
        inputs = {"Clip": ["x", "floor"], "Clip, two limits": ["x", "floor", "most"]}
        name = kind.split(",")[0]
        steps = [(name, inputs.get(kind, ["x", "floor"]), "a"), ("Log", ["a"], "y")]
    nodes = [helper.make_node(name, given, [made]) for name, given, made in steps]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "logarithm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, energies.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, energies.shape)],
        [
            numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in constants.items()
            if name in used
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


cases = [(kind, 1e-10) for kind in ("Clip", "Clip, two limits", "Max")]
cases += [("Clip", 1.2e-7), ("Clip", 1e-6), ("Clip", 2e-6), ("Max", 1e-5), ("scaled", 1e-10)]
for number, (kind, floor) in enumerate(cases):
    onnx.save(model(kind, floor), f"m{number}.onnx")
    (right,) = onnxruntime.InferenceSession(f"m{number}.onnx").run(None, {"x": energies})
    command = ["venv/bin/onnx2tf", "-i", f"m{number}.onnx", "-o", f"t{number}", "-n"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"CHANGED: {kind} is refused")
    runtime = Interpreter(f"t{number}/m{number}_float32.tflite")
    runtime.allocate_tensors()
    runtime.set_tensor(runtime.get_input_details()[0]["index"], energies)
    runtime.invoke()
    found = runtime.get_tensor(runtime.get_output_details()[0]["index"])
    lost = not np.allclose(found, right, atol=1e-4)
    correct = f", not {right[0, 0]:.2f}" if lost else ", right"
    print(f"{kind}, floor {floor:g}: silence has {found[0, 0]:.2f}{correct}")
    if lost != (kind != "scaled" and floor <= 1e-6):
        sys.exit(f"CHANGED: {kind}, floor {floor:g}")
    if lost and not np.isneginf(found[0, 0]):
        sys.exit(f"CHANGED: {kind}, floor {floor:g}: not minus infinity")
EOF
