#!/usr/bin/env bash
# pnnx and ncnn: a model that is converted without a message computes something else.
#
# pnnx converts PyTorch models for ncnn, a runtime for phones. What it cannot convert it
# usually says ("ignore", "unsupported"), and ncnn then refuses to load the file. One
# expects the same of every option. These are changed silently; the model loads and
# runs:
# * nn.Conv1d(padding_mode="circular") pads with zeros;
# * nn.AvgPool1d(ceil_mode=True) divides a last window that is not full by the size of a
#   full one, so that the mean of ones is 0.5. As long as the windows are full, as with
#   the example input of the conversion, nothing is wrong;
# * torch.remainder is the distance from the nearest multiple: 1.75 % 1 is -0.25.
# And two functions that are used to stay within the range of floating-point numbers do
# not: logsumexp is the logarithm of the sum of exponentials, infinite from 89 on and
# below -103, and so is softplus from 89 on.
#
# It matters because pnnx also writes what it understood as a PyTorch model, which still
# computes the right thing: only a comparison of ncnn's outputs with the original shows
# the difference, with inputs of several lengths and sizes. Pooling by two in front of an
# encoder halves the last frame of every utterance with an odd number of frames, and
# scores of paths, which are sums of log-probabilities over many frames, are soon below
# -103.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 torch==2.14.1 ncnn==1.0.20261020 pnnx==20261020
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import contextlib
import os
import sys
import warnings
from pathlib import Path

import ncnn
import numpy as np
import pnnx
import torch
from torch import nn

warnings.simplefilter("ignore")
print("ncnn", ncnn.__version__, "torch", torch.__version__)
torch.manual_seed(0)


@contextlib.contextmanager
def printing_to(path):
    """pnnx is a program of its own: what it prints goes into a file."""
    sys.stdout.flush()
    own = os.dup(1), os.dup(2)
    with open(path, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(own[0], 1)
            os.dup2(own[1], 2)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def convert(module, x):
    with printing_to("log"):
        pnnx.export(module.eval(), "m.pt", (x,), fp16=False)
    log = Path("log").read_text()
    if "ignore" in log or "unsupported" in log or "not supported" in log:
        sys.exit(f"CHANGED: pnnx says something: {log}")


def in_ncnn(x, rank):
    net = ncnn.Net()
    net.opt.num_threads = 1
    if net.load_param("m.ncnn.param") or net.load_model("m.ncnn.bin"):
        sys.exit("CHANGED: ncnn does not load the model")
    with net.create_extractor() as extractor:
        values = np.ascontiguousarray(x.numpy() if rank == 3 else x[0].numpy())
        extractor.input("in0", ncnn.Mat(values).clone())
        code, output = extractor.extract("out0")
        if code:
            sys.exit(f"CHANGED: ncnn fails with {code}")
        return torch.from_numpy(np.array(output)).squeeze()


def expect(name, off, other=None):
    """``off``: difference from PyTorch; ``other``: from what is computed instead."""
    line = f"{name:34} off by {off:.2g}"
    if other is not None:
        line += f"; from what is described above, by {other:.2g}"
    print(line)
    if not off > 0.1 or (other is not None and not other < 1e-4):
        sys.exit(f"CHANGED: {name}")


def distance(one, two):
    return (one - two.squeeze()).abs().max().item()


x = torch.randn(1, 10, 8)
with torch.no_grad():
    circular = nn.Conv1d(10, 10, 5, padding=2, padding_mode="circular")
    zeros = nn.Conv1d(10, 10, 5, padding=2)
    zeros.load_state_dict(circular.state_dict())
    convert(circular, x)
    found = in_ncnn(x, 2)
    expect("Conv1d, circular", distance(found, circular(x)), distance(found, zeros(x)))

    pooling = nn.AvgPool1d(2, 2, ceil_mode=True)
    convert(pooling, torch.ones(1, 3, 6))
    full, rest = torch.ones(1, 3, 6), torch.ones(1, 3, 7)
    if distance(in_ncnn(full, 2), pooling(full)) > 1e-6:
        sys.exit("CHANGED: full windows were right")
    found = in_ncnn(rest, 2)
    print("AvgPool1d, ceil_mode, of 7 ones:", pooling(rest)[0, 0], found[0])
    halved = pooling(rest)
    halved[:, :, -1] /= 2
    expect("AvgPool1d, ceil_mode", distance(found, pooling(rest)), distance(found, halved))

    parts = torch.tensor([[[0.25, -0.25, 1.75, -1.25]]])
    convert(Function(lambda x: torch.remainder(x, 1.0)), parts)
    found = in_ncnn(parts, 2)
    print("remainder", parts[0, 0], torch.remainder(parts, 1.0)[0, 0], found)
    right, nearest = torch.remainder(parts, 1.0), parts - torch.round(parts)
    expect("remainder", distance(found, right), distance(found, nearest))

    pairs = torch.tensor([[[0.0, 0.0], [88.0, 88.0], [89.0, 89.0], [-110.0, -110.0]]])
    convert(Function(lambda x: torch.logsumexp(x, -1)), pairs)
    found = in_ncnn(pairs, 3)
    print("logsumexp", torch.logsumexp(pairs, -1)[0], found)
    expect("logsumexp", distance(found, torch.logsumexp(pairs, -1)))
    if distance(found[:2], torch.logsumexp(pairs, -1)[0, :2]) > 1e-4:
        sys.exit("CHANGED: logsumexp of small numbers was right")

    single = torch.tensor([[[10.0, 88.0, 89.0, 100.0]]])
    softplus = nn.functional.softplus
    convert(Function(lambda x: softplus(x)), single)
    found = in_ncnn(single, 2)
    print("softplus", softplus(single)[0, 0], found)
    expect("softplus", distance(found, softplus(single)))
    if distance(found[:2], softplus(single)[0, 0, :2]) > 1e-4:
        sys.exit("CHANGED: softplus of smaller numbers was right")
EOF
