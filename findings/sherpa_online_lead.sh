#!/usr/bin/env bash
# sherpa-onnx, streaming: its program puts half a second of silence before each file.
#
# The program `sherpa-onnx` recognises files with a streaming model. One expects the
# text and the times that the same recogniser gives in Python. But the program decodes
# 0.5 s of digital silence first, and does not take it off the times again.
#
# It matters for subtitles, which come half a second late, and for error rates: chunks
# begin elsewhere, and a model that has never heard digital silence may write words
# there (on AN4's test set, 9.4 % word errors instead of 8.7 %).
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 sherpa-onnx==2.0.1 sherpa-onnx-bin==2.0.1
venv/bin/python - <<'EOF'
import json
import subprocess
import sys
import wave

import numpy as np
import onnx
import sherpa_onnx
from onnx import TensorProto, helper, numpy_helper

print("sherpa-onnx", sherpa_onnx.__version__)
FRAMES, STRIDE = 8, 4  # a chunk of 0.08 s; the model gives a row for 4 frames
ROWS = FRAMES // STRIDE
with open("tokens.txt", "w") as file:
    file.write("<unk> 0\na 1\nb 2\nc 3\nd 4\n<blk> 5\n")

# The first row of a chunk says which quarter of the mel bins is loudest: a to d.
quarters = np.kron(np.eye(4), np.full((20, 1), 1 / 20)).astype(np.float32)
blanks = np.full((1, ROWS - 1, 6), -9, np.float32)
blanks[:, :, 5] = 0
caches = ["cache_last_channel", "cache_last_time", "cache_last_channel_len"]
nodes = [
    helper.make_node("ReduceMean", ["audio_signal"], ["mean"], axes=[2], keepdims=0),
    helper.make_node("MatMul", ["mean", "quarters"], ["levels"]),
    helper.make_node("ReduceMax", ["levels"], ["top"], axes=[1], keepdims=1),
    helper.make_node("Sub", ["levels", "top"], ["letters"]),
    helper.make_node("Concat", ["never", "letters", "never"], ["row"], axis=1),
    helper.make_node("Unsqueeze", ["row", "one"], ["first_row"]),
    helper.make_node("Concat", ["first_row", "blanks"], ["log_probs"], axis=1),
    helper.make_node("Div", ["length", "stride"], ["log_probs_len"]),
    *(helper.make_node("Identity", [name], [f"{name}_next"]) for name in caches),
]
constants = {
    "quarters": quarters,
    "never": np.float32([[-9]]),
    "one": np.array([1]),
    "blanks": blanks,
    "stride": np.array(STRIDE),
}
f, i, info = TensorProto.FLOAT, TensorProto.INT64, helper.make_tensor_value_info
shapes = [[1, 1, 4, 4], [1, 1, 4, 4], [1]]
kinds = [f, f, i]
graph = helper.make_graph(
    nodes,
    "names_the_tone",
    [info("audio_signal", f, [1, 80, "T"]), info("length", i, [1])]
    + [info(*each) for each in zip(caches, kinds, shapes)],
    [info("log_probs", f, [1, ROWS, 6]), info("log_probs_len", i, [1])]
    + [info(f"{n}_next", *each) for n, *each in zip(caches, kinds, shapes)],
    [numpy_helper.from_array(v, k) for k, v in constants.items()],
)
opset = helper.make_opsetid("", 17)
model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
about = dict(window_size=FRAMES, chunk_shift=FRAMES, subsampling_factor=STRIDE)
about.update(vocab_size=5)
for cache in "channel", "time":
    about.update(zip((f"cache_last_{cache}_dim{n}" for n in (1, 2, 3)), (1, 4, 4)))
helper.set_model_props(model, {k: str(v) for k, v in about.items()})
onnx.checker.check_model(model)
onnx.save(model, "model.onnx")
recogniser = sherpa_onnx.OnlineRecognizer.from_nemo_ctc("tokens.txt", "model.onnx")

times = np.arange(int(0.48 * 16000)) / 16000
tones = [0.3 * np.sin(2 * np.pi * hz * times) for hz in (300, 1000, 2500, 5500)]
audio = np.concatenate(tones)
with wave.open("tones.wav", "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    file.writeframes((audio * 32767).astype("<i2").tobytes())
stream = recogniser.create_stream()
stream.accept_waveform(16000, audio.astype(np.float32))
stream.input_finished()
while recogniser.is_ready(stream):
    recogniser.decode_stream(stream)
tokens, python = recogniser.tokens(stream), recogniser.timestamps(stream)
command = ["venv/bin/sherpa-onnx", "--nemo-ctc-model=model.onnx", "--tokens=tokens.txt"]
done = subprocess.run([*command, "tones.wav"], capture_output=True, text=True)
lines = (done.stdout + done.stderr).splitlines()
said = next(json.loads(line) for line in lines if line.startswith("{"))
starts = [
    [dict(reversed(list(zip(found, when))))[letter] for letter in "bcd"]
    for found, when in ((tokens, python), (said["tokens"], said["timestamps"]))
]
for name, found in zip(("Python", "the program"), starts):
    print(f"{name}: the tones b, c, d begin at", *(f"{one:.2f}" for one in found), "s")
late = np.subtract(starts[1], starts[0])
if not np.all(np.abs(late - 0.5) < 0.1):
    sys.exit("CHANGED: expected 0.5 s")
EOF
