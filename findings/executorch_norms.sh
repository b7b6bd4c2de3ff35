#!/usr/bin/env bash
# ExecuTorch: LayerNorm, GroupNorm and InstanceNorm lose their variance, or become NaN.
#
# ExecuTorch is PyTorch's runtime for devices. PyTorch computes the variance in these
# layers from the differences to the mean. The kernels of ExecuTorch (the portable and the
# optimised ones; XNNPACK takes none of these layers) compute it as the mean of the squares
# minus the square of the mean, in single precision. The difference of two large, nearly
# equal numbers keeps few digits: with a mean of 100 standard deviations the outputs are
# 0.004 to 0.009 off (PyTorch: 0.00001), with 1000 about one standard deviation, and with
# 3000 the variance is mostly negative and the outputs are NaN. var(), RMSNorm and
# BatchNorm are right.
#
# It matters most for digital silence: the log-mel features of zeros are all equal
# (the logarithm of 1e-10 is -23.03), their variance is zero, and rounding makes it less
# than minus the layer's epsilon of 1e-5. Then all outputs of an InstanceNorm or LayerNorm
# of these features are NaN, where PyTorch returns 0. What helps: subtract a constant near the mean
# before the layer (the features' global mean), or a larger epsilon.
#
# PYTHON=p takes an environment in which executorch 1.5.1 is installed; without one, it is
# installed (with PyTorch: several GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import executorch' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check \
        numpy==2.3.5 torch==2.14.1 executorch==1.5.1
    python=venv/bin/python
fi
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import logging
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn

print("ExecuTorch", version("executorch"), "PyTorch", torch.__version__)
torch.manual_seed(0)
MEANS = (0, 10, 100, 1000, 3000)


def exported(layer, example, partitioners):
    """Return the layer as a function that runs in ExecuTorch."""
    program = torch.export.export(layer.eval(), (example,))
    lowered = to_edge_transform_and_lower(program, partitioner=partitioners)
    loaded = Runtime.get().load_program(lowered.to_executorch().buffer)
    method = loaded.load_method("forward")
    # A method needs its program.
    return lambda given, _=loaded: method.execute([given])[0].clone()


class Variance(nn.Module):
    def forward(self, x):
        return x.var(-1)


layers = {
    "LayerNorm": (nn.LayerNorm(64), (4, 64), True),
    "GroupNorm": (nn.GroupNorm(4, 16), (2, 16, 20), True),
    "InstanceNorm1d": (nn.InstanceNorm1d(16), (2, 16, 20), True),
    "RMSNorm": (nn.RMSNorm(64), (4, 64), False),
    "BatchNorm1d": (nn.BatchNorm1d(16), (2, 16, 20), False),
    "var()": (Variance(), (4, 64), False),
}
print("largest error with means of", *MEANS, "standard deviations, and PyTorch's")
for name, (layer, shape, is_wrong) in layers.items():
    for backend, partitioners in (("", []), (", XNNPACK", [XnnpackPartitioner()])):
        run = exported(layer, torch.randn(shape), partitioners)
        ours, theirs = [], []
        for mean in MEANS:
            x = torch.randn(shape) + mean
            exact = layer.double()(x.double())
            layer.float()
            ours.append(float((run(x).double() - exact).abs().max()))
            theirs.append(float((layer(x).double() - exact).abs().max()))
        columns = [f"{one:8.1e}" for one in (*ours, *theirs)]
        print(f"{name + backend:24}", *columns[: len(MEANS)], "|", *columns[len(MEANS) :])
        # NaN is not below any number.
        found = not ours[2] < 20 * theirs[2] and not ours[-1] < 0.1
        if found != is_wrong or max(theirs) > 0.01:
            sys.exit("CHANGED: " + name + backend)

# Log-mel features of digital silence: (batch, bins, frames), all equal.
silence = torch.zeros(1, 64, 30).clamp(min=1e-10).log()
for name, layer, given in (
    ("InstanceNorm1d over frames", nn.InstanceNorm1d(64), silence),
    ("LayerNorm over bins", nn.LayerNorm(64), silence.transpose(1, 2).contiguous()),
):
    out, right = exported(layer, given, [])(given), layer(given)
    bad = int((~torch.isfinite(out)).sum())
    print(
        f"silence, {name}: {bad} of {out.numel()} outputs are NaN, "
        f"PyTorch's are {right.detach().abs().max():.0g} at most"
    )
    if bad != out.numel() or right.abs().max() > 0.01:
        sys.exit("CHANGED: silence, " + name)
EOF
