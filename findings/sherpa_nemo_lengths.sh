#!/usr/bin/env bash
# sherpa-onnx, kind nemo_ctc: the lengths that the model returns are not read.
#
# The graph has two outputs, log-probabilities (N, U, V) and how many of the U rows are
# valid. One expects the second to decide what is decoded, as for the other kinds with
# such an output. Here T // subsampling_factor rows are decoded, T being the frames of
# audio, whatever the model says.
#
# It matters for every network whose convolutions are not padded, as ESPnet's
# sub-sampling is: it has one valid row fewer than T // factor in most cases, and the
# row after it is decoded as one more token at the end of the utterance; in a batch, so
# are the padded rows. Valid rows beyond T // factor are lost.
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
TOKENS = "<blk> a b c d".split()
with open("tokens.txt", "w") as file:
    file.writelines(f"{token} {n}\n" for n, token in enumerate(TOKENS))


def write_model(valid, factor):
    """A model that always says abcd abcd ... in 60 rows, of which `valid` are valid."""
    log_probs = np.full((1, 60, 5), -10, np.float32)
    log_probs[0, np.arange(60), 1 + np.arange(60) % 4] = 0
    nodes = [  # 0 * input + constant
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["log_probs"]),
        helper.make_node("Mul", ["x_len", "zero_long"], ["no_length"]),
        helper.make_node("Add", ["no_length", "valid"], ["log_probs_len"]),
    ]
    constants = {
        "zero": np.float32(0),
        "zero_long": np.int64(0),
        "table": log_probs,
        "valid": np.array([valid]),
    }
    f, i, info = TensorProto.FLOAT, TensorProto.INT64, helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "says_abcd",
        [info("x", f, [1, 80, "T"]), info("x_len", i, [1])],
        [info("log_probs", f, [1, 60, 5]), info("log_probs_len", i, [1])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    about = {"vocab_size": 4, "subsampling_factor": factor, "normalize_type": ""}
    helper.set_model_props(model, {k: str(v) for k, v in about.items()})
    onnx.checker.check_model(model)
    onnx.save(model, "model.onnx")


audio = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)  # 1 s
for factor, valid, known in (4, 2, 25), (25, 2, 4), (50, 30, 2):
    write_model(valid, factor)
    recogniser = sherpa_onnx.OfflineRecognizer.from_nemo_ctc("model.onnx", "tokens.txt")
    stream = recogniser.create_stream()
    stream.accept_waveform(16000, audio)
    recogniser.decode_stream(stream)
    heard = len(stream.result.tokens)
    print(
        f"100 frames, subsampling_factor {factor:2}: the model says {valid:2} valid "
        f"rows, sherpa-onnx decodes {heard:2}: {stream.result.text}"
    )
    if heard != known:
        sys.exit(f"CHANGED: expected {known}")
EOF
