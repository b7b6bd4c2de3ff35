#!/usr/bin/env bash
# OpenVINO: DFT transforms another axis than the one that the model names.
#
# The ONNX operator DFT has an attribute "axis" in version 17, and an input in version 20
# (default: the last but one, the last axis holds real and imaginary part).
#
# * Version 20: the input is ignored, and so is its default. The axis is always 1. In a
#   graph that computes features, axis 1 is the frames and axis 2 the samples of a frame:
#   each sample is transformed along the frames. The shape is right, the numbers are not.
# * Version 17 with a negative axis: one to the left of what is meant (1 for -2 of four).
# * With onesided=1 (both versions), the axis of length 1 is not replaced by real and
#   imaginary part: the result has one axis more.
#
# No error and no warning. onnxruntime and onnx's reference implementation agree with
# numpy on all of these.
#
# It matters because graphs that take samples compute their spectrum with DFT (the current
# exporters write version 20), and an encoder gets "features" that depend on the number of frames.
# What helps: version 17 with a positive axis and without onesided, STFT, or a
# convolution with the sines and cosines.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
venv/bin/python - 2> errors <<'EOF' || { cat errors >&2; exit 1; }
import sys

import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
FRAMES, SAMPLES = 6, 16
frames = np.random.default_rng(0).standard_normal((1, FRAMES, SAMPLES, 1)).astype(np.float32)


def model(version, axis, onesided):
    inputs, constants, attributes = ["frames"], [], {"onesided": onesided}
    if version == 17:
        attributes["axis"] = axis
    elif axis is not None:
        inputs += ["", "axis"]
        constants.append(numpy_helper.from_array(np.array(axis), "axis"))
    shape = [1, None, SAMPLES, 1]
    graph = helper.make_graph(
        [helper.make_node("DFT", inputs, ["spectrum"], **attributes)],
        "spectrum",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("spectrum", TensorProto.FLOAT, None)],
        constants,
    )
    opset = helper.make_opsetid("", version)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


def in_openvino(made):
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(made.SerializeToString()), "CPU", settings)
    return compiled([frames])[compiled.output(0)]


def parts(spectrum):
    return np.stack([spectrum.real, spectrum.imag], -1)


def near(left, right):
    return left.shape == right.shape and np.abs(left - right).max() < 1e-4


samples = frames[..., 0]
right = parts(np.fft.fft(samples, axis=2))
along_frames = parts(np.fft.fft(samples, axis=1))
correct = []
for version, axis, onesided in (
    (17, 2, 0),
    (17, -2, 0),
    (17, 2, 1),
    (20, 2, 0),
    (20, -2, 0),
    (20, None, 0),
    (20, 2, 1),
):
    made = model(version, axis, onesided)
    expected = parts(np.fft.rfft(samples, axis=2)) if onesided else right
    session = onnxruntime.InferenceSession(made.SerializeToString())
    assert near(session.run(None, {"frames": frames})[0], expected)
    assert near(ReferenceEvaluator(made).run(None, {"frames": frames})[0], expected)
    found = in_openvino(made)
    if found.shape != expected.shape:
        what = f"shape {found.shape} instead of {expected.shape}"
    else:
        what = f"largest difference {np.abs(found - expected).max():.2g}"
        what += ", transformed along the frames" if near(found, along_frames) else ""
    print(f"version {version}, axis {axis}, onesided {onesided}: {what}")
    if near(found, expected):
        correct.append((version, axis, onesided))
    elif version == 20 and not onesided and not near(found, along_frames):
        sys.exit("CHANGED: the axis is not 1")
if correct != [(17, 2, 0)]:
    sys.exit(f"CHANGED: right for {correct}")
EOF
