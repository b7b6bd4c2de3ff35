#!/usr/bin/env bash
# sherpa-onnx, kind omnilingual: the samples that the model gets have lost their level.
#
# This is the only offline CTC kind that feeds samples, so it looks like the place for a
# model with a front end of its own: one expects the samples of accept_waveform to
# arrive. They arrive as (x - mean) / sqrt(variance + 1e-5) of the whole utterance:
# whispering and shouting look the same to the model, unless the audio is below about
# -50 dB. The times of tokens are also unexpected: each row counts as 20 ms, whatever
# the model's stride is, not as (seconds of audio / rows).
#
# It matters for every model whose features are normalised by statistics of a corpus:
# the log-mel features are wrong by the utterance's level, and nothing is recognised.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 sherpa-onnx==2.0.1
venv/bin/python - <<'EOF'
import sys

import numpy as np
import onnx
import sherpa_onnx
from onnx import TensorProto, helper, numpy_helper

print("sherpa-onnx", sherpa_onnx.__version__)
with open("tokens.txt", "w") as file:
    file.write("<blk> 0\nLOUD 1\nQUIET 2\n")

# Four rows for any audio: three blanks, then LOUD if the root mean square of the
# samples is above 0.5, else QUIET.
nodes = [
    helper.make_node("Mul", ["x", "x"], ["power"]),
    helper.make_node("ReduceMean", ["power"], ["mean"], axes=[1], keepdims=1),
    helper.make_node("Sqrt", ["mean"], ["rms"]),
    helper.make_node("Sub", ["rms", "half"], ["loud"]),
    helper.make_node("Neg", ["loud"], ["quiet"]),
    helper.make_node("Concat", ["never", "loud", "quiet"], ["row"], axis=1),
    helper.make_node("Unsqueeze", ["row", "first"], ["last_row"]),
    helper.make_node("Concat", ["blanks", "last_row"], ["log_probs"], axis=1),
]
constants = {
    "half": np.float32(0.5),
    "never": np.float32([[-9]]),
    "first": np.array([1]),
    "blanks": np.tile(np.float32([0, -9, -9]), (1, 3, 1)),
}
f, info = TensorProto.FLOAT, helper.make_tensor_value_info
graph = helper.make_graph(
    nodes,
    "tells_the_level",
    [info("x", f, [1, "samples"])],
    [info("log_probs", f, [1, 4, 3])],
    [numpy_helper.from_array(v, k) for k, v in constants.items()],
)
opset = helper.make_opsetid("", 17)
model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "model.onnx")
recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
    "model.onnx", "tokens.txt"
)

tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * np.sqrt(2)
for rms, known in (0.7, "LOUD"), (0.1, "LOUD"), (0.01, "LOUD"), (0.001, "QUIET"):
    stream = recogniser.create_stream()
    stream.accept_waveform(16000, (rms * tone).astype(np.float32))
    recogniser.decode_stream(stream)
    text, (time,) = stream.result.text, stream.result.timestamps
    print(
        f"a second of root mean square {rms:5}: {text:5} (right: "
        f"{'LOUD' if rms > 0.5 else 'QUIET'}); the last of 4 rows at {time:.2f} s"
    )
    if text != known or round(time, 2) != 0.06:
        sys.exit(f"CHANGED: expected {known} at 0.06 s")
EOF
