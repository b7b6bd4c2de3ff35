#!/usr/bin/env bash
# PyTorch: on a CPU its counter of operations counts nothing for LSTM layers and
# attention, and 64 times too much for gradients of depthwise convolutions.
#
# torch.utils.flop_counter.FlopCounterMode is the counter that papers and training tools
# use. It has one formula for each operator that it knows. Which operators a layer
# consists of depends on the device and the mode, and an operator without a formula
# counts as 0, without a message. On a CPU:
#
# * an LSTM layer is one operator without a formula: 0 operations, forward and backward.
#   GRU layers and LSTM cells, which consist of matrix products, are counted.
# * scaled_dot_product_attention() has no formula without dropout (the operators of a GPU
#   have one): the two products of attention are missing.
# * TransformerEncoderLayer counts in training. In evaluation mode its attention is
#   missing, and without gradients, where a fast path of one operator exists, it counts
#   as 0.
# * a matrix times a vector counts as 0.
# * The gradient of the weights of a grouped convolution (on all devices) counts as that
#   of one without groups: for a depthwise convolution with 64 channels 64 times too much.
#
# It matters because the models for devices are chosen by such counts, computed on a
# CPU in evaluation mode: an LSTM encoder, or a Transformer encoder, is free, and
# a Conformer's convolutions seem to dominate its training. One expects that the
# count of a layer does not depend on the mode, and equals the products below.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch: several
# GB; or PYTHON has PyTorch already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import torch' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 torch==2.14.1
    python=venv/bin/python
fi
"${python}" -W ignore - <<'EOF'
import sys

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
torch.manual_seed(0)
FRAMES, WIDTH, HEADS, INNER, KERNEL = 100, 64, 4, 256, 31
speech = torch.randn(1, FRAMES, WIDTH)


def counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def evaluated(layer, *inputs):
    layer.eval()
    with torch.no_grad():
        return counted(lambda: layer(*inputs))


# Two operations for each product of two numbers.
projections = 2 * FRAMES * 4 * WIDTH * WIDTH
attention = 2 * 2 * FRAMES * FRAMES * WIDTH
feed_forward = 2 * FRAMES * 2 * WIDTH * INNER
gates = 2 * FRAMES * 2 * WIDTH * WIDTH

lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
gru = nn.GRU(WIDTH, WIDTH, batch_first=True)
cell = nn.LSTMCell(WIDTH, WIDTH)
encoder = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, batch_first=True)
query = torch.randn(1, HEADS, FRAMES, WIDTH // HEADS)
fused = nn.functional.scaled_dot_product_attention
matrix, vector = torch.randn(FRAMES, WIDTH), torch.randn(WIDTH)

found = {
    "GRU": (evaluated(gru, speech), 3 * gates),
    "LSTM cell": (evaluated(cell, speech[0]), 4 * gates),
    "LSTM": (evaluated(lstm, speech), 4 * gates),
    "LSTM, with gradients": (
        counted(lambda: lstm.train()(speech)[0].sum().backward()),
        4 * gates + 8 * gates - 2 * FRAMES * WIDTH * 4 * WIDTH,
    ),
    "attention, fused": (counted(lambda: fused(query, query, query)), attention),
    "Transformer layer, training": (
        counted(lambda: encoder.train()(speech)),
        projections + attention + feed_forward,
    ),
    "Transformer layer, eval()": (
        counted(lambda: encoder.eval()(speech)),
        projections + attention + feed_forward,
    ),
    "Transformer layer, eval(), no_grad()": (
        evaluated(encoder, speech),
        projections + attention + feed_forward,
    ),
    "matrix times matrix": (counted(lambda: matrix @ vector[:, None]), 2 * matrix.numel()),
    "matrix times vector": (counted(lambda: matrix @ vector), 2 * matrix.numel()),
}
for groups in (1, WIDTH):
    layer = nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=groups)
    inputs = speech.transpose(1, 2).clone().requires_grad_()
    right = 2 * FRAMES * KERNEL * WIDTH * WIDTH // groups
    name = "convolution" if groups == 1 else "depthwise convolution"
    found[name] = evaluated(layer, inputs), right
    # each product is in the gradient of its input and in that of its weight
    all_of_it = counted(lambda: layer(inputs).sum().backward())
    found[f"{name}, with gradients"] = all_of_it, 3 * right
for name, (count, right) in found.items():
    print(f"{name:37} counted {count:>12,}, products {right:>12,}")

for name in "GRU", "LSTM cell", "matrix times matrix", "depthwise convolution":
    if found[name][0] != found[name][1]:
        sys.exit(f"CHANGED: {name}: not the number of its products")
if found["convolution, with gradients"][0] != found["convolution, with gradients"][1]:
    sys.exit("CHANGED: the gradients of a convolution without groups")
for name in (
    "LSTM",
    "LSTM, with gradients",
    "attention, fused",
    "Transformer layer, eval(), no_grad()",
    "matrix times vector",
):
    if found[name][0] != 0:
        sys.exit(f"CHANGED: {name} is counted")
if found["Transformer layer, training"][0] != found["Transformer layer, training"][1]:
    sys.exit("CHANGED: a Transformer layer in training")
if found["Transformer layer, eval()"][1] - found["Transformer layer, eval()"][0] != attention:
    sys.exit("CHANGED: in evaluation mode, not exactly the attention is missing")
count, right = found["depthwise convolution, with gradients"]
if count != 2 * right // 3 + WIDTH * right // 3:
    sys.exit("CHANGED: groups are taken into account")
EOF
