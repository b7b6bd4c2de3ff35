#!/usr/bin/env bash
# sherpa-onnx and onnx-asr: the same tokens file gives a text with spaces in one and
# without spaces in the other.
#
# Both read a file with a token and its number in each line. A recogniser of characters
# has a token for the space, and its line is "<space><space>3" when the list is written
# in that way. One expects both to read it in the same way. sherpa-onnx reads a line
# with only a number as the space, onnx-asr reads it as a token without letters: "a b"
# becomes "ab", and all words of an utterance are joined. U+2581 is a space for both.
# "<space>", as ESPnet writes it, is a space for neither: it is printed as it is.
#
# It matters because the file is accepted, letters are right, and the word error rate is
# near 100 % in one of two runtimes that are offered as alternatives.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 onnx-asr==0.12.0 sherpa-onnx==2.0.1
venv/bin/python - <<'EOF'
import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_asr
import sherpa_onnx
from onnx import TensorProto, helper, numpy_helper

print("sherpa-onnx", sherpa_onnx.__version__)
print("onnx-asr", importlib.metadata.version("onnx-asr"))
AUDIO = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
f, i, info = TensorProto.FLOAT, TensorProto.INT64, helper.make_tensor_value_info


def write_model(path, name, inputs):
    """A model that says token 1, token 3, token 2 to any input."""
    log_probs = np.full((1, 200, 4), -10, np.float32)
    log_probs[0, :, 0] = -1
    log_probs[0, [0, 2, 4], [1, 3, 2]] = 0
    nodes, zeros = [], []
    for each in inputs:  # 0 * inputs + constant
        n = each.name
        nodes += [
            helper.make_node("Cast", [n], [f"{n}_float"], to=f),
            helper.make_node("ReduceSum", [f"{n}_float"], [f"{n}_sum"], keepdims=0),
            helper.make_node("Mul", [f"{n}_sum", "zero"], [f"{n}_zero"]),
        ]
        zeros.append(f"{n}_zero")
    nodes.append(helper.make_node("Sum", ["table", *zeros], [name]))
    constants = {"zero": np.float32(0), "table": log_probs}
    graph = helper.make_graph(
        nodes,
        "says_three_tokens",
        inputs,
        [info(name, f, log_probs.shape)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


folder = Path("model")
folder.mkdir()
write_model("sherpa.onnx", "log_probs", [info("x", f, [1, "samples"])])
lengths = info("length", i, ["N"])
features = info("audio_signal", f, ["N", 80, "T"])
write_model(folder / "model.onnx", "logprobs", [features, lengths])
about = {"model_type": "nemo-conformer-ctc", "features_size": 80}
(folder / "config.json").write_text(json.dumps({**about, "subsampling_factor": 4}))

for space, known in (
    ("\u2581", ("a b", "a b")),
    ("", ("a b", "ab")),
    ("<space>", ("a<space>b", "a<space>b")),
):
    tokens = f"<blk> 0\na 1\nb 2\n{space} 3\n"
    for path in Path("tokens.txt"), folder / "vocab.txt":
        path.write_text(tokens, encoding="utf-8")
    recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        "sherpa.onnx", "tokens.txt"
    )
    stream = recogniser.create_stream()
    stream.accept_waveform(16000, AUDIO)
    recogniser.decode_stream(stream)
    other = onnx_asr.load_model(
        "nemo-conformer-ctc", folder, providers=["CPUExecutionProvider"]
    )
    texts = stream.result.text, other.recognize(AUDIO)
    line = f"{space} 3"
    print(f"line {line!r}: sherpa-onnx {texts[0]!r}, onnx-asr {texts[1]!r}")
    if texts != known:
        sys.exit(f"CHANGED: expected {known}")
EOF
