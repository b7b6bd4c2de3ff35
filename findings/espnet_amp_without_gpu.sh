#!/usr/bin/env bash
# ESPnet: with use_amp and no GPU, an update is made although the log says that it is
# skipped.
#
# ESPnet's trainer checks the norm of the gradients. If it is not finite, the trainer
# logs "Skipping updating the model" and continues, so that one bad utterance does no
# harm. With use_amp: true it nevertheless calls the gradient scaler's step(), because
# the scaler skips such a step by itself. On a machine without a GPU the scaler is
# disabled (with a warning from PyTorch), and the step() of a disabled scaler is the
# plain step of the optimiser: the gradient that is not a number is added to every
# weight. The log is the same in both cases.
#
# One expects the weights to stay unchanged, as the log says and as without use_amp. It
# matters because configurations for GPUs have use_amp: true. If such a training runs on
# a laptop, or on a node whose GPU is not found, the first bad batch destroys the whole
# model, and the next checkpoint holds only values that are not numbers.
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
import logging
import sys
from dataclasses import fields

import torch
from torch.cuda.amp import GradScaler

from espnet2.train.abs_espnet_model import AbsESPnetModel
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter
from espnet2.train.trainer import Trainer, TrainerOptions

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)


class Root(AbsESPnetModel):
    """sqrt(w * x): at x = 0 the loss is 0, and its gradient is infinity times 0."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, x, **kwargs):
        loss = torch.sqrt(self.weight * x).sum()
        return loss, {"loss": loss.detach()}, torch.tensor(1)

    def collect_feats(self, **batch):
        return {}


class Said(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


said = Said()
logging.getLogger().addHandler(said)
values = {field.name: None for field in fields(TrainerOptions)}
values.update(
    ngpu=0, train_dtype="float32", grad_noise=False, accum_grad=1, grad_clip=5.0,
    grad_clip_type=2.0, no_forward_run=False, use_wandb=False, log_interval=1,
    create_graph_in_tensorboard=False, use_adapter=False, sharded_ddp=False,
)  # fmt: skip
weights = {}
for amp in False, True:
    model = Root()
    said.lines.clear()
    with Reporter().observe("train", 1) as reporter:
        Trainer.train_one_epoch(
            model=model,
            iterator=[(["utterance"], {"x": torch.zeros(3)})],
            optimizers=[torch.optim.SGD(model.parameters(), lr=0.1)],
            schedulers=[None],
            scaler=GradScaler() if amp else None,
            reporter=reporter,
            summary_writer=None,
            options=TrainerOptions(**{**values, "use_amp": amp}),
            distributed_option=DistributedOption(),
        )
    skipped = [line for line in said.lines if "Skipping updating" in line]
    weights[amp] = model.weight.tolist()
    print(f"use_amp {amp}: log {skipped}, weights afterwards {weights[amp]}")
    if len(skipped) != 1:
        sys.exit("CHANGED: the log no longer says that the update is skipped")
if weights[False] != [1.0] * 3:
    sys.exit("CHANGED: without use_amp the update is made")
if not all(value != value for value in weights[True]):
    sys.exit("CHANGED: with use_amp the weights are still numbers")
EOF
