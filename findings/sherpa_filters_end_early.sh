#!/usr/bin/env bash
# sherpa-onnx, kind zipformer_ctc: the mel filters end 400 Hz below half the rate, and
# the Python function that makes the recogniser has no option for it.
#
# A model trained on Kaldi's or torchaudio's fbank with their default high_freq (0: half
# the rate, 8000 Hz) gets filters that end at 7600 Hz. Everything else is the same, but
# every filter is a little narrower and lower: a tone of 4000 Hz has its peak one filter
# higher. FeatureExtractorConfig has high_freq, from_zipformer_ctc() does not pass it
# on; the command line has --high-freq.
#
# It matters because nothing fails; only the error rate rises. Our export for this kind
# writes high_freq into its description, and its runner builds the recogniser by the
# configuration classes instead.
#
# The model below writes the mean of each mel filter as a token, in steps of 0.25, so
# the unmodified library shows its own features. kaldi-native-fbank computes both
# candidates.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 sherpa-onnx==2.0.1 kaldi-native-fbank==1.23.0
venv/bin/python - <<'EOF'
import inspect
import sys

import kaldi_native_fbank as knf
import numpy as np
import onnx
import sherpa_onnx
from onnx import TensorProto, helper, numpy_helper

print("sherpa-onnx", sherpa_onnx.__version__)
LOWEST, STEP, LEVELS, BINS = -20.0, 0.25, 128, 80
with open("tokens.txt", "w") as file:
    file.write("<blk> 0\n")
    file.writelines(f"level{n} {n + 1}\n" for n in range(LEVELS))
node = helper.make_node
nodes = [
    node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
    node("Sub", ["mean", "lowest"], ["above"]),
    node("Div", ["above", "step"], ["steps"]),
    node("Round", ["steps"], ["rounded"]),
    node("Clip", ["rounded", "zero", "most"], ["level"]),
    node("Cast", ["level"], ["number"], to=TensorProto.INT64),
    node("Add", ["number", "one"], ["token"]),
    node("Unsqueeze", ["token", "last"], ["column"]),
    node("Pad", ["column", "pads"], ["pairs"]),  # a blank after each
    node("Reshape", ["pairs", "line"], ["ids"]),
    node("OneHot", ["ids", "depth", "values"], ["log_probs"], axis=-1),
    node("Mul", ["x_lens", "none"], ["nothing"]),
    node("Add", ["nothing", "rows"], ["log_probs_len"]),
]
constants = {
    "lowest": np.float32(LOWEST),
    "step": np.float32(STEP),
    "zero": np.float32(0),
    "most": np.float32(LEVELS - 1),
    "one": np.int64(1),
    "last": np.array([2]),
    "pads": np.array([0, 0, 0, 0, 0, 1]),
    "line": np.array([1, -1]),
    "depth": np.int64(LEVELS + 1),
    "values": np.float32([-10, 0]),
    "none": np.int64(0),
    "rows": np.array([2 * BINS]),
}
f, i, info = TensorProto.FLOAT, TensorProto.INT64, helper.make_tensor_value_info
graph = helper.make_graph(
    nodes,
    "spells_features",
    [info("x", f, [1, "T", BINS]), info("x_lens", i, [1])],
    [info("log_probs", f, [1, 2 * BINS, LEVELS + 1]), info("log_probs_len", i, [1])],
    [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
)
model = helper.make_model(
    graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
)
helper.set_model_props(model, {"model_type": "zipformer2_ctc"})
onnx.checker.check_model(model)
onnx.save(model, "model.onnx")

rng = np.random.default_rng(0)
tone = np.sin(2 * np.pi * 4000 * np.arange(32000) / 16000)
audio = (0.3 * tone + rng.normal(0, 0.01, 32000)).astype(np.float32)
make = sherpa_onnx.OfflineRecognizer.from_zipformer_ctc
recogniser = make("model.onnx", "tokens.txt", sample_rate=16000, feature_dim=BINS)
stream = recogniser.create_stream()
stream.accept_waveform(16000, audio)
recogniser.decode_stream(stream)
levels = [int(token.removeprefix("level")) for token in stream.result.tokens]
heard = np.array(levels) * STEP + LOWEST


def expected(high_freq):
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.dither, frame.snip_edges = 16000, 0, False
    mel.num_bins, mel.high_freq = BINS, high_freq
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16000, audio.tolist())
    fbank.input_finished()
    return np.mean([fbank.get_frame(n) for n in range(fbank.num_frames_ready)], axis=0)


off = {}
for high_freq in (0, -400):
    features = expected(high_freq)
    off[high_freq] = abs(heard - features).max()
    print(
        f"filters to {8000 + high_freq} Hz: greatest difference {off[high_freq]:.2f}; "
        f"4000 Hz is loudest in filter {features.argmax()}, in sherpa's {heard.argmax()}"
    )
given = [name for name in inspect.signature(make).parameters if "freq" in name]
print("parameters of from_zipformer_ctc() that name a frequency:", given or "none")
# Half a step is lost in the spelling.
if off[-400] > 0.51 * STEP or off[0] < 1 or "high_freq" in given:
    sys.exit("CHANGED: expected filters that end at 7600 Hz, and no option")
EOF
