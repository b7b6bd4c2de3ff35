#!/usr/bin/env bash
# ONNX: MelWeightMatrix makes filters that end below upper_edge_hertz; some are equal.
#
# MelWeightMatrix (opset 17, made for spectrograms together with STFT) returns the
# matrix that turns a power spectrum into mel filters. One expects the filters of HTK,
# Kaldi, librosa (htk=True) and torchaudio: N + 2 corners, at equal distances on the mel
# scale from the lower to the upper edge. The operator divides the range by N + 2
# instead of N + 1, so that the last filter ends one step early, and rounds each corner
# down to a bin of the spectrum. With 80 filters, 400 points and 16 kHz (the shape of
# Whisper's features), nothing from 7720 Hz on is in any filter, five filters are equal
# to their neighbour, 26 see a single bin, and on white noise a filter's mean logarithm
# is up to 1.5 off (natural logarithm). With 128 filters and 512 points 13 are equal.
# onnxruntime and the reference implementation of ONNX agree: it is the definition.
#
# It matters because the operator looks like the way to put a model's front end into its
# graph. A model trained with the usual filters gets others, and only its errors show
# it: nothing fails, and a comparison of the two ONNX implementations finds nothing.
# What helps is to store the training's own matrix as a constant.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 onnx==1.23.2 onnxruntime==1.32.0
venv/bin/python - <<'EOF'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
RATE = 16000


def model(filters, points):
    scalars = dict(filters=filters, points=points, rate=RATE, low=0.0, high=RATE / 2)
    nodes = [
        helper.make_node(
            "Constant",
            [],
            [name],
            value=helper.make_tensor(
                name,
                TensorProto.FLOAT if isinstance(value, float) else TensorProto.INT64,
                [],
                [value],
            ),
        )
        for name, value in scalars.items()
    ]
    nodes.append(helper.make_node("MelWeightMatrix", list(scalars), ["matrix"]))
    shape = [points // 2 + 1, filters]
    output = helper.make_tensor_value_info("matrix", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "mel_filters", [], [output])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def usual(filters, points):
    """The triangles of HTK, evaluated at the frequencies of the bins."""

    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    corners = np.linspace(mel(0), mel(RATE / 2), filters + 2)
    corners = 700 * (10 ** (corners / 2595) - 1)
    bins = np.arange(points // 2 + 1)[:, None] * RATE / points
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0, np.minimum(rising, falling))


# Powers of white noise: (spectra, bins), an exponential distribution.
noise = np.random.default_rng(0).exponential(size=(2000, 257))
changed = False
for filters, points in ((80, 400), (80, 512), (128, 512)):
    made = model(filters, points)
    matrix = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {})[0]
    (by_definition,) = ReferenceEvaluator(made).run(None, {})
    bins = points // 2 + 1
    unseen = np.flatnonzero(matrix.sum(1) == 0)
    first = unseen[unseen > bins // 2].min() * RATE / points
    equal = sum(
        np.array_equal(matrix[:, i], matrix[:, i + 1]) for i in range(filters - 1)
    )
    single = int(((matrix > 0).sum(0) == 1).sum())
    expected = usual(filters, points)
    last = np.flatnonzero(expected.sum(1) > 1e-6).max() * RATE / points
    heard = expected.sum(0) > 0  # with 128 filters the usual ones have an empty one
    powers = noise[:, :bins]
    logs = np.log(powers @ matrix[:, heard]) - np.log(powers @ expected[:, heard])
    print(
        f"{filters} filters of {points} points: nothing from {first:.0f} Hz on, "
        f"{equal} equal to their neighbour, {single} with a single bin; the usual "
        f"filters see {last:.0f} Hz; "
        f"mean logarithm off by up to {np.abs(logs.mean(0)).max():.2f}; onnxruntime "
        f"and the definition differ by {np.abs(matrix - by_definition).max():.0e}"
    )
    changed |= first > 7900 or not equal or np.abs(matrix - by_definition).max() > 1e-5
if changed:
    sys.exit("CHANGED: the filters reach the upper edge, or none are equal")
EOF
