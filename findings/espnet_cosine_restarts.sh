#!/usr/bin/env bash
# ESPnet: one cosine schedule ignores the learning rate of the optimiser, or runs upside down.
#
# With scheduler: cosineannealingwarmuprestarts the learning rate rises to a maximum, falls
# along a cosine and starts again. Its own options max_lr (0.1) and min_lr (0.001) have
# default values, which ESPnet writes into config.yaml. Others of its schedules with a
# warm-up (warmuplr, warmupsteplr, tristagelr) scale optim_conf.lr.
#
# This one overwrites it: with optim_conf.lr 0.00001, as for fine-tuning, the rate goes up
# to 0.1. Where the maximum is given and the minimum is not, as in max_lr: 0.0005, the
# minimum is above the maximum. Then the schedule is upside down: the first update has the
# highest rate, it falls during the warm-up, is lowest where it should be highest, and
# rises until the end of the cycle. Different rates of parameter groups are lost as well.
# Nothing is logged or refused.
#
# It matters because the training runs, and ends with a worse model: the rate is highest
# at the end, when a cosine should be near zero. What helps: give both max_lr and min_lr.
#
# PYTHON=p takes an environment in which ESPnet 202611 is installed; without one, ESPnet
# is installed (with PyTorch: several GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import espnet2' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check espnet==202611
    python=venv/bin/python
fi
CUDA_VISIBLE_DEVICES="" "${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import sys
import warnings

import torch
from espnet2.tasks.abs_task import scheduler_classes

warnings.simplefilter("ignore")
print("ESPnet", importlib.metadata.version("espnet"))
STEPS, WARM_UP = 100, 20


def rates(name, lr, **options):
    """The rate of each update, as ESPnet's trainer steps: after the optimiser."""
    layers = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    groups = [{"params": layers[0].parameters()}]
    groups.append({"params": layers[1].parameters(), "lr": lr / 10})
    optimiser = torch.optim.Adam(groups, lr=lr)
    schedule = scheduler_classes[name](optimiser, **options)
    found = []
    for _ in range(STEPS):
        found.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        schedule.step()
    return found


def shown(found):
    first, warm, last = found[0][0], found[WARM_UP][0], found[-1][0]
    return f"first update {first:.6f}, after the warm-up {warm:.6f}, last {last:.6f}"


name, cycle = "cosineannealingwarmuprestarts", {"first_cycle_steps": STEPS, "warmup_steps": WARM_UP}
plain = rates("warmuplr", 1e-5, warmup_steps=WARM_UP)
print("warmuplr, lr 0.00001:", shown(plain))
if max(map(max, plain)) > 1.01e-5:
    sys.exit("CHANGED: warmuplr")

default = rates(name, 1e-5, **cycle)
print(f"{name}, lr 0.00001:", shown(default))
if abs(max(map(max, default)) - 0.1) > 1e-9:
    sys.exit("CHANGED: the maximum is not 0.1 any more")
if any(abs(one - other) > 1e-12 for one, other in default):
    sys.exit("CHANGED: the groups keep rates of their own")

both = rates(name, 5e-4, max_lr=5e-4, min_lr=1e-6, **cycle)
print("with max_lr 0.0005 and min_lr 0.000001:", shown(both))
if not both[0][0] < both[-1][0] < both[WARM_UP][0]:
    sys.exit("CHANGED: the schedule with both limits")

half = rates(name, 5e-4, max_lr=5e-4, **cycle)
print("with max_lr 0.0005 alone:", shown(half))
if not half[0][0] > half[-1][0] > half[WARM_UP][0]:
    sys.exit("CHANGED: not upside down")
EOF
