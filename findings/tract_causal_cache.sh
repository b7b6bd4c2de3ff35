#!/usr/bin/env bash
# tract: causal Attention with a cache looks at the oldest frames of the cache only.
#
# A streaming encoder keeps the keys and values of the frames before. ONNX's Attention (since
# version 23) has them as inputs, past_key and past_value, and with is_causal=1 a new frame sees
# all of the past, itself, and nothing after it. tract reads such a model and counts the
# frames that may be seen from the beginning of the cache: the first new frame sees the oldest
# cached frame, the second one the two oldest. With one new frame in each call, the usual case,
# the outputs are always the value of the very first frame, whatever follows.
#
# * left_window_size and right_window_size (version 25) are ignored: each frame sees the
#   whole utterance.
# * Both without an error or a message, although other attributes that tract does not know
#   (softcap, qk_matmul_output_mode) are refused. Without a cache is_causal is right, so
#   a test on whole utterances does not find the first one.
#
# Both are compared with numpy. onnx's reference implementation computes them correctly, and so
# does onnxruntime the first one (the second was not tried with it here).
#
# It matters because tract is used for streaming on small devices. What helps: no is_causal, and
# a mask as an input.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0 tract==0.23.9
venv/bin/python - 2> errors <<'EOF' || { cat errors >&2; exit 1; }
import sys

import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("tract", tract.version(), "onnxruntime", onnxruntime.__version__)
onnxruntime.set_default_logger_severity(4)
HEADS, FRAMES, WIDTH = 2, 8, 4
random = np.random.default_rng(0)
query, key, value = (
    random.standard_normal((1, HEADS, FRAMES, WIDTH)).astype(np.float32) for _ in range(3)
)


def allowed(before, after):
    """Frames (columns) that each frame (row) sees."""
    gap = np.arange(FRAMES)[None] - np.arange(FRAMES)[:, None]
    return (gap >= -before) & (gap <= after)


def by_hand(sees):
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(WIDTH)
    scores = np.where(sees, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


def model(new, past, version, **attributes):
    """Attention for ``new`` frames, with a cache of ``past`` frames unless that is 0."""
    shapes = {"query": new, "key": new, "value": new}
    inputs, outputs = list(shapes), ["output"]
    if past:
        shapes.update(past_key=past, past_value=past)
        inputs += ["", "past_key", "past_value"]
        outputs += ["key_cache", "value_cache"]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Attention", inputs, outputs, **attributes)],
        "attention",
        [info(name, TensorProto.FLOAT, [1, HEADS, n, WIDTH]) for name, n in shapes.items()],
        [info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    opset = helper.make_opsetid("", version)
    return helper.make_model(graph, opset_imports=[opset], ir_version=11)


def in_tract(made, feed):
    onnx.save(made, "model.onnx")
    runnable = tract.onnx().load("model.onnx").into_model().into_runnable()
    return runnable.run(list(feed.values()))[0].to_numpy()


def in_onnxruntime(made, feed):
    return onnxruntime.InferenceSession(made.SerializeToString()).run(None, feed)[0]


def in_reference(made, feed):
    return ReferenceEvaluator(made).run(None, feed)[0]


def streamed(run, chunk):
    """The whole utterance, ``chunk`` frames in a call, with the cache of those before."""
    parts = []
    for start in range(0, FRAMES, chunk):
        now = slice(start, start + chunk)
        feed = {"query": query, "key": key, "value": value}
        feed = {name: np.ascontiguousarray(x[:, :, now]) for name, x in feed.items()}
        if start:
            feed["past_key"] = np.ascontiguousarray(key[:, :, :start])
            feed["past_value"] = np.ascontiguousarray(value[:, :, :start])
        parts.append(run(model(chunk, start, 23, is_causal=1), feed))
    return np.concatenate(parts, 2)


def off(left, right):
    return float(np.abs(left - right).max())


whole = {"query": query, "key": key, "value": value}
right = by_hand(allowed(FRAMES, 0))
first = np.broadcast_to(value[:, :, :1], value.shape)
for name, run in (
    ("reference", in_reference),
    ("onnxruntime", in_onnxruntime),
    ("tract", in_tract),
):
    at_once = off(run(model(FRAMES, 0, 23, is_causal=1), whole), right)
    chunks = {chunk: streamed(run, chunk) for chunk in (4, 1)}
    errors = [off(chunks[chunk], right) for chunk in (4, 1)]
    print(f"{name}: at once {at_once:.1e} off, 4 frames a call {errors[0]:.1e}, 1 {errors[1]:.1e}")
    if at_once > 1e-5:
        sys.exit(f"CHANGED: {name}, without a cache")
    if name == "tract":
        if min(errors) < 0.1:
            sys.exit("CHANGED: tract, with a cache")
        same = off(chunks[1], first)
        print(f"tract, 1 frame a call: all outputs are the first frame's value ({same:.0e} off)")
        if same > 1e-6:
            sys.exit("CHANGED: not the first frame's value")
    elif max(errors) > 1e-5:
        sys.exit(f"CHANGED: {name}, with a cache")

window = model(FRAMES, 0, 25, left_window_size=2, right_window_size=1)
seen = by_hand(allowed(2, 1))
errors = [off(run(window, whole), seen) for run in (in_reference, in_tract)]
everything = off(in_tract(window, whole), by_hand(allowed(FRAMES, FRAMES)))
print(f"windows: reference {errors[0]:.1e} off, tract {errors[1]:.1e}", end=", ")
print(f"from no window {everything:.1e}")
if errors[0] > 1e-5 or errors[1] < 0.1 or everything > 1e-5:
    sys.exit("CHANGED: windows")
EOF
