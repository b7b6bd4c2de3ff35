#!/usr/bin/env bash
# sherpa-onnx: one letter in tokens.txt decides that the whole list is byte-level BPE.
#
# tokens.txt does not say which kind of tokens it holds. Byte-level BPE as icefall
# writes it uses letters whose highest UTF-8 byte is 0xC6, and a list whose highest byte
# is exactly that is assumed to be one. So an ordinary list of characters with one
# letter of U+0180 to U+01BF and none above (Vietnamese without tone marks, Hausa, Fula,
# ...) is decoded as bytes: that letter is dropped from every text. A list that also has
# a letter above this range is read as it is written, so one more word in the training
# text can repair or break the recogniser.
#
# One expects a token to be printed as tokens.txt spells it. It matters because the
# tokens of the result are right; only the text lacks letters, which looks like a bad
# model.
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
AUDIO = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)


def recognise(tokens, word):
    """The text of a model that always says `word`."""
    with open("tokens.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{token} {n}\n" for n, token in enumerate(tokens))
    ids = [tokens.index(letter) for letter in word]
    log_probs = np.full((1, len(ids), len(tokens)), -10, np.float32)
    log_probs[0, np.arange(len(ids)), ids] = 0
    nodes = [  # 0 * input + constant
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["log_probs"]),
    ]
    constants = {"zero": np.float32(0), "table": log_probs}
    f, info = TensorProto.FLOAT, helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "says_one_word",
        [info("x", f, [1, "samples"])],
        [info("log_probs", f, log_probs.shape)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "model.onnx")
    recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        "model.onnx", "tokens.txt"
    )
    stream = recogniser.create_stream()
    stream.accept_waveform(16000, AUDIO)
    recogniser.decode_stream(stream)
    return stream.result.text, "".join(stream.result.tokens)


for letters, word, known in (
    ("hơn", "hơn", "hn"),  # Vietnamese: more
    ("hơnế", "hơn", "hơn"),  # the same model, and a letter that is never said
    ("kƙa", "ƙaƙa", "aa"),  # Hausa
    ("kƙaɗ", "ƙaƙa", "ƙaƙa"),
):
    text, tokens = recognise(["<blk>", *letters], word)
    print(f"letters {letters}: the model says {tokens}, the text is {text}")
    if (text, tokens) != (known, word):
        sys.exit(f"CHANGED: expected the text {known}")
EOF
