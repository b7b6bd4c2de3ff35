#!/usr/bin/env bash
# onnxruntime-extensions: AudioDecoder's downsampling folds what is above the new band
# into it, and changes the level.
#
# The operator AudioDecoder (the first node of "end-to-end" Whisper models, among
# others) decodes a file inside the graph and converts it to downsampling_rate. One
# expects what every resampler does first: to remove what is above half the new rate.
# A tone of 9000 Hz in a recording at 48 kHz comes out as a tone of 7000 Hz, 6 dB lower
# than it was, where soxr leaves nothing (below -100 dB); one of 10 kHz as 6000 Hz at
# -10 dB. Tones inside the band get weaker from 5000 Hz on (-1 dB at 7000 Hz). From
# 22050 Hz, everything is 0.3 dB weaker, and one second has 16001 samples.
#
# It matters because sibilants have much of their energy above 8 kHz: the recogniser
# gets it as noise below 8 kHz, in bands that distinguish sounds. The training
# data were converted by something else, and nothing in the text or a log shows it. What
# helps: convert the recording before it enters the graph, or give files that already
# have the model's rate, which are not changed.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 onnxruntime-extensions==0.15.2 \
    soundfile==0.14.0 soxr==1.1.0
venv/bin/python - <<'EOF'
import io
import sys

import numpy as np
import onnxruntime
import onnxruntime_extensions
import soundfile
import soxr
from onnx import TensorProto, helper

print("onnxruntime-extensions", onnxruntime_extensions.__version__)
RATE, AMPLITUDE, SECONDS = 16000, 0.5, 2
decoder = helper.make_node(
    "AudioDecoder",
    ["file"],
    ["samples"],
    domain="ai.onnx.contrib",
    downsampling_rate=RATE,
    stereo_to_mono=1,
)
info = helper.make_tensor_value_info
graph = helper.make_graph(
    [decoder],
    "decodes_a_file",
    [info("file", TensorProto.UINT8, [1, "bytes"])],
    [info("samples", TensorProto.FLOAT, [1, "T"])],
)
opsets = [helper.make_opsetid("", 16), helper.make_opsetid("ai.onnx.contrib", 1)]
model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
options = onnxruntime.SessionOptions()
options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
session = onnxruntime.InferenceSession(model.SerializeToString(), options)


def in_the_graph(tone, rate):
    file = io.BytesIO()
    soundfile.write(file, tone, rate, format="WAV", subtype="FLOAT")
    data = np.frombuffer(file.getvalue(), np.uint8)[np.newaxis]
    return session.run(None, {"file": data})[0][0]


def loudest(samples):
    """The frequency in Hz, and the level in dB relative to the tone that went in."""
    middle = samples[RATE // 2 : RATE // 2 + RATE]  # one second: bins of 1 Hz
    amplitudes = 2 * np.abs(np.fft.rfft(middle)) / len(middle)
    level = 20 * np.log10(amplitudes.max() / AMPLITUDE + 1e-30)
    return int(amplitudes.argmax()), level


print(" from    tone   comes out as        with soxr")
for rate, hz, known_hz, known_db in (
    (16000, 7000, 7000, 0.0),
    (48000, 1000, 1000, 0.0),
    (48000, 7000, 7000, -1.1),
    (48000, 9000, 7000, -6.2),
    (48000, 10000, 6000, -10.3),
    (44100, 9000, 7000, -6.5),
    (44100, 10000, 6000, -10.8),
    (22050, 1000, 1000, -0.3),
    (22050, 9000, 7000, -16.7),
):
    tone = AMPLITUDE * np.sin(2 * np.pi * hz * np.arange(rate * SECONDS) / rate)
    samples = in_the_graph(tone, rate)
    out_hz, db = loudest(samples)
    _, soxr_db = loudest(soxr.resample(tone, rate, RATE, "VHQ"))
    passes = abs(soxr_db) < 0.01 if hz < RATE / 2 else soxr_db < -100
    print(f"{rate:5} {hz:5} Hz  {out_hz:5} Hz, {db:5.1f} dB  {soxr_db:7.1f} dB")
    if not passes:
        sys.exit("CHANGED: expected soxr to pass or to remove the tone")
    if out_hz != known_hz or abs(db - known_db) > 0.3:
        sys.exit(f"CHANGED: expected {known_hz} Hz at {known_db} dB")

lengths = {rate: len(in_the_graph(np.zeros(rate), rate)) for rate in (48000, 22050)}
print("samples of one second:", lengths)
if lengths != {48000: 16000, 22050: 16001}:
    sys.exit("CHANGED: expected 16000 and 16001 samples")
EOF
