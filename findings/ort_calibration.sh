#!/usr/bin/env bash
# onnxruntime: a memory-saving option of quantize_static() forgets most of the data.
#
# Static quantisation runs the model on recordings and takes the range of each tensor
# from what it sees. CalibMaxIntermediateOutputs limits how many outputs are held at a
# time. Its documentation says that the result is the same as without it. But when the
# limit is reached, MinMaxCalibrater.collect_data() calls clear_collected_data() without
# computing the range first. So only the utterances after the last full group count:
# * 50 utterances and a limit of 8: the range is that of the last 2.
# * A limit that divides the number: nothing is left, and an error says "No data is
#   collected".
# * A limit above the number: the same as without the option.
# CalibMovingAverage with CalibMovingAverageConstant is documented as a moving average
# with that constant. compute_data() takes the plain mean instead, so the constant has
# no effect.
#
# It matters because the option is there for large sets of long utterances. A range from
# a few of them clips the louder ones. No warning is printed, the file has the usual
# size, and whether it works depends on the remainder of a division. What helps: leave
# the option out. Or CalibStridedMinMax, which computes and merges the range of each
# group (the data reader then needs __len__() and set_range()); with it the constant of
# the moving average has an effect, too.
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
import logging
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

logging.disable(logging.WARNING)  # about shape inference, not about ranges
print("onnxruntime", onnxruntime.__version__)
WIDTH, UTTERANCES = 16, 50
random = np.random.default_rng(0)
weights = random.standard_normal((WIDTH, WIDTH)).astype(np.float32)
info = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
    "layer",
    [info("x", TensorProto.FLOAT, ["frames", WIDTH])],
    [info("y", TensorProto.FLOAT, ["frames", WIDTH])],
    [numpy_helper.from_array(weights, "w")],
)
opset = helper.make_opsetid("", 17)
made = helper.make_model(graph, opset_imports=[opset], ir_version=8)
onnx.checker.check_model(made, full_check=True)
onnx.save(made, "model.onnx")

# Each utterance reaches its level in both directions; the loudest ones come first.
levels = np.linspace(10, 1, UTTERANCES)
utterances = []
for level in levels:
    x = random.uniform(-1, 1, (random.integers(20, 60), WIDTH))
    x[0, 0], x[0, 1] = -1, 1
    utterances.append((level * x).astype(np.float32))


class Reader(CalibrationDataReader):
    def __init__(self):
        self.set_range(0, UTTERANCES)

    def __len__(self):
        return UTTERANCES

    def set_range(self, start_index, end_index):
        self.rest = iter(utterances[start_index:end_index])

    def get_next(self):
        x = next(self.rest, None)
        return None if x is None else {"x": x}


def run(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def quantised(**options):
    """The greatest input that does not clip, and the error of the loudest utterance."""
    try:
        quantize_static("model.onnx", "eight.onnx", Reader(), extra_options=options)
    except ValueError as error:
        return str(error), None
    stored = {t.name: t for t in onnx.load("eight.onnx").graph.initializer}
    scale = numpy_helper.to_array(stored["x_scale"])
    exact = utterances[0] @ weights
    difference = run("eight.onnx", utterances[0]) - exact
    error = np.sqrt((difference**2).mean() / (exact**2).mean())
    return float(scale) * 255 / 2, float(error)


def show(label, result):
    greatest, error = result
    if error is None:
        print(f"{label:32} ValueError: {greatest}")
    else:
        print(f"{label:32} up to {greatest:5.2f}, error {100 * error:4.1f} %")


print(f"{UTTERANCES} utterances with levels {levels[0]:.0f} to {levels[-1]:.0f};")
print("range of the input in 8 bits, and error of the loudest utterance:")
all_data = quantised()
show("without options", all_data)
if abs(all_data[0] - 10) > 0.2 or all_data[1] > 0.02:
    sys.exit("CHANGED: expected the range of all utterances without options")
for limit in 7, 8, 12, 25, 49, 51:
    result = quantised(CalibMaxIntermediateOutputs=limit)
    show(f"CalibMaxIntermediateOutputs={limit}", result)
    rest = UTTERANCES % limit
    if rest == 0:
        if result[1] is not None:
            sys.exit("CHANGED: expected an error, as no utterance is left")
    elif abs(result[0] - levels[-rest]) > 0.02 * levels[-rest]:
        sys.exit(f"CHANGED: expected the range of the last {rest} utterances")
    elif limit < UTTERANCES and result[1] < 0.3:
        sys.exit("CHANGED: expected the loudest utterance to be clipped")

moving = []
for constant in 0.01, 0.5, 1.0:
    options = {"CalibMovingAverage": True, "CalibMovingAverageConstant": constant}
    moving.append(quantised(**options)[0])
    strided = quantised(**options, CalibStridedMinMax=1)[0]
    label = f"moving average, constant {constant}"
    print(f"{label}: {moving[-1]:.2f}, strided {strided:.2f}")
    average = levels[0]
    for level in levels[1:]:
        average += constant * (level - average)
    if abs(strided - average) > 0.02 * average:
        sys.exit("CHANGED: expected a moving average from CalibStridedMinMax")
if max(moving) - min(moving) > 1e-6 or abs(moving[0] - levels.mean()) > 0.1:
    sys.exit("CHANGED: expected the plain mean, whatever the constant is")
strided = quantised(CalibStridedMinMax=10)
show("CalibStridedMinMax=10", strided)
if abs(strided[0] - all_data[0]) > 1e-6:
    sys.exit("CHANGED: expected the range of all utterances from CalibStridedMinMax")
EOF
