#!/usr/bin/env bash
# onnx-asr: the space before a word that begins with an apostrophe is removed.
#
# Tokens are joined and a regular expression tidies the spaces: a space that is not
# followed by a letter or digit is removed, as before a full stop. One expects the words
# that the model wrote. But words may begin with something else: 'em, 'tis, 'round, $5,
# &, <unk>, a minus sign, a combining mark. Each of these is joined to the word before
# it.
#
# It matters for the error rate: the transcripts of books and talks have such words, and
# each of them becomes two errors (a substitution and a deletion) in this runtime alone.
# The model and its tokens are right.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 onnx-asr==0.12.0 jiwer==4.0.0
venv/bin/python - <<'EOF'
import importlib.metadata
import json
import sys
from pathlib import Path

import jiwer
import numpy as np
import onnx
import onnx_asr
from onnx import TensorProto, helper, numpy_helper

print("onnx-asr", importlib.metadata.version("onnx-asr"))
folder = Path("model")
folder.mkdir()
about = {"model_type": "nemo-conformer-ctc", "features_size": 80}
(folder / "config.json").write_text(json.dumps({**about, "subsampling_factor": 4}))
AUDIO = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)


def recognise(pieces):
    """The text of a model that always says `pieces`."""
    tokens = ["<blk>", *dict.fromkeys(pieces)]
    lines = [f"{token} {n}\n" for n, token in enumerate(tokens)]
    (folder / "vocab.txt").write_text("".join(lines), encoding="utf-8")
    log_probs = np.full((1, 200, len(tokens)), -10, np.float32)
    log_probs[0, :, 0] = -1
    for n, piece in enumerate(pieces):
        log_probs[0, 2 * n, tokens.index(piece)] = 0
    nodes = [  # 0 * inputs + constant
        helper.make_node("ReduceSum", ["audio_signal"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Cast", ["length"], ["frames"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["frames"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["no_length"]),
        helper.make_node("Add", ["table", "nothing"], ["first"]),
        helper.make_node("Add", ["first", "no_length"], ["logprobs"]),
    ]
    constants = {"zero": np.float32(0), "table": log_probs}
    f, i, info = TensorProto.FLOAT, TensorProto.INT64, helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "says_pieces",
        [info("audio_signal", f, ["N", 80, "T"]), info("length", i, ["N"])],
        [info("logprobs", f, log_probs.shape)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    recogniser = onnx_asr.load_model(
        "nemo-conformer-ctc", folder, providers=["CPUExecutionProvider"]
    )
    return recogniser.recognize(AUDIO)


for said, known in (
    ("TELL HIM NOW", "TELL HIM NOW"),
    ("TELL 'EM NOW", "TELL'EM NOW"),
    ("IT COSTS $5", "IT COSTS$5"),
    ("ROCK 'N' ROLL", "ROCK'N' ROLL"),
    ("A <unk> B", "A<unk> B"),
):
    text = recognise([f"\u2581{word}" for word in said.split()])
    rate = jiwer.wer(said, text)
    print(f"tokens {said!r}, text {text!r}: word error rate {rate:.0%}")
    if text != known:
        sys.exit(f"CHANGED: expected the text {known!r}")
EOF
