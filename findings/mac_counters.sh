#!/usr/bin/env bash
# torchinfo, thop, ptflops, fvcore, torchprofile: five counters of multiplications agree
# neither about one layer of a Transformer nor, some of them, with themselves.
#
# The same self-attention is written three times: with matrix products, with
# scaled_dot_product_attention(), and as nn.MultiheadAttention. All three have the same
# weights and compute the same numbers. The counts of their multiplications, as shares of the
# number of products that is found by hand:
#
# * torchinfo counts a linear layer once per utterance and not once per frame: the
#   "Total mult-adds" of 1 s of speech and of 100 s are equal, a hundredth of the
#   right number for 100 frames. Convolutions are counted for each frame, so a Conformer seems to
#   consist of convolutions alone.
# * thop, for all three, leaves out the products of queries with keys and of weights with
#   values, 44 % here, and most for long utterances. nn.MultiheadAttention counts as 0.
# * fvcore and the "aten" backend of ptflops count the first way correctly, and 56 % and 57 %
#   of the second. nn.MultiheadAttention has 56 % or, without gradients, 0 %.
# * The "pytorch" backend of ptflops counts nn.MultiheadAttention and leaves out the
#   products of the second way.
# * torchprofile counts all three, but without gradients a TransformerEncoderLayer is 0, and
#   nn.MultiheadAttention an AttributeError.
#
# Only fvcore has a message: it lists the operators that it does not count, unless its warnings
# are turned off.
#
# It matters because the small model is chosen, and a table of costs is written, by such
# counts, and because they are compared between papers that used different counters.
# One expects the number of products, whichever way a layer is written, or an error.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch: several
# GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
"${python}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 torch==2.14.1 \
    torchvision==0.29.1 torchinfo==1.8.0 thop==0.1.1.post2209072238 ptflops==0.7.5 \
    fvcore==0.1.5.post20221221 torchprofile==0.1.0
venv/bin/python -W ignore - <<'EOF'
import contextlib
import copy
import io
import logging
import sys

import fvcore.nn
import ptflops
import thop
import torch
import torchinfo
import torchprofile
from torch import nn

logging.disable(logging.CRITICAL)
torch.manual_seed(0)
FRAMES, WIDTH, HEADS = 100, 64, 4
speech = torch.randn(1, FRAMES, WIDTH)


class Attention(nn.Module):
    def __init__(self, fused):
        super().__init__()
        self.fused = fused
        for name in "qkvo":
            setattr(self, name, nn.Linear(WIDTH, WIDTH))

    def forward(self, x):
        q, k, v = (
            layer(x).view(1, -1, HEADS, WIDTH // HEADS).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        if self.fused:
            y = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            scores = torch.matmul(q, k.transpose(-1, -2)) * (WIDTH // HEADS) ** -0.5
            y = torch.matmul(scores.softmax(-1), v)
        return self.o(y.transpose(1, 2).reshape(1, -1, WIDTH))


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


products, fused, module = Attention(False).eval(), Attention(True).eval(), Module().eval()
fused.load_state_dict(products.state_dict())
with torch.no_grad():
    state = products.state_dict()
    inner = module.attention
    inner.in_proj_weight.copy_(torch.cat([state[f"{x}.weight"] for x in "qkv"]))
    inner.in_proj_bias.copy_(torch.cat([state[f"{x}.bias"] for x in "qkv"]))
    inner.out_proj.weight.copy_(state["o.weight"])
    inner.out_proj.bias.copy_(state["o.bias"])
    same = [torch.allclose(products(speech), m(speech), atol=1e-5) for m in (fused, module)]
assert all(same)
encoder = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, batch_first=True).eval()


def with_ptflops(backend):
    def count(model, x):
        return ptflops.get_model_complexity_info(
            model, tuple(x.shape[1:]), False, False, backend=backend
        )[0]

    return count


def with_fvcore(model, x):
    count = fvcore.nn.FlopCountAnalysis(model, x)
    return count.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()


counters = {
    "torchinfo": lambda m, x: torchinfo.summary(m, input_data=x, verbose=0).total_mult_adds,
    "thop": lambda m, x: thop.profile(m, (x,), verbose=False)[0],
    "ptflops, pytorch": with_ptflops("pytorch"),
    "ptflops, aten": with_ptflops("aten"),
    "fvcore": with_fvcore,
    "torchprofile": torchprofile.profile_macs,
}
linear = FRAMES * 4 * WIDTH * WIDTH
attention = linear + 2 * FRAMES * FRAMES * WIDTH
cases = {
    "four linear layers": (nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in "1234")), linear),
    "matrix products": (products, attention),
    "fused": (fused, attention),
    "MultiheadAttention": (module, attention),
    "encoder layer": (encoder, attention + 2 * FRAMES * 4 * WIDTH * WIDTH),
}
share = {}
for case, (model, right) in cases.items():
    print(f"{case}, {right:,} multiplications")
    for name, count in counters.items():
        for gradients in (True, False):
            try:
                with torch.set_grad_enabled(gradients), contextlib.redirect_stdout(io.StringIO()):
                    with contextlib.redirect_stderr(io.StringIO()):
                        found = float(count(copy.deepcopy(model), speech)) / right
            except Exception as error:
                found = type(error).__name__
            share[case, name, gradients] = found
        pair = [share[case, name, gradients] for gradients in (True, False)]
        print(f"    {name:17}", *(x if isinstance(x, str) else f"{x:5.0%}" for x in pair))
print("(left with gradients, right without)")

layer = nn.Linear(WIDTH, WIDTH)
short, long = (
    torchinfo.summary(layer, input_size=(1, frames, WIDTH), verbose=0).total_mult_adds
    for frames in (100, 10000)
)
print(f"torchinfo, one linear layer: {short:,} for 100 frames, {long:,} for 10,000")
if short != long:
    sys.exit("CHANGED: torchinfo counts the frames of a linear layer")


def near(case, name, gradients, expected):
    found = share[case, name, gradients]
    if isinstance(found, str) or abs(found - expected) > 0.03:
        sys.exit(f"CHANGED: {name}, {case}, gradients {gradients}: {found}")


part = linear / attention
for gradients in (True, False):
    for name in ("ptflops, aten", "fvcore", "torchprofile"):
        near("matrix products", name, gradients, 1)
    for name in ("thop", "ptflops, pytorch", "ptflops, aten", "fvcore"):
        near("fused", name, gradients, part)
    near("matrix products", "thop", gradients, part)
    near("MultiheadAttention", "thop", gradients, 0)
    near("MultiheadAttention", "ptflops, pytorch", gradients, 1)
for name in ("ptflops, aten", "fvcore"):
    near("MultiheadAttention", name, True, part)
    near("MultiheadAttention", name, False, 0)
near("encoder layer", "torchprofile", True, 1)
near("encoder layer", "torchprofile", False, 0)
EOF
