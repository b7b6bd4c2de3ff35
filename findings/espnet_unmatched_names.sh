#!/usr/bin/env bash
# ESPnet: a misspelt name in `freeze_param` or `init_param` is ignored without a message.
#
# `freeze_param: [encoder.embed]` keeps weights as they are, and
# `init_param: model.pth:encoder:encoder` loads a part of a checkpoint into a part of a model.
# Expected: a name that matches no weight is an error, or at least a warning in the log, as a
# misspelt option is (argparse) and a misspelt target is (AttributeError).
# Seen: with `freeze_param encodr` all weights are trained. With `model.pth:encodr:encoder`, or
# with an exclusion that leaves nothing, the training starts from random weights. Nothing is
# logged in either case. (The loop over freeze_param is inside AbsTask.main_worker; its lines
# are taken from the installed file and run on a model of two layers.)
# Why it matters: "fine-tuning a pre-trained encoder" was a training from scratch, and a
# "frozen front end" was trained; only the error rate shows it, if anything does.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
if ! "${PYTHON:-python3}" -c "import espnet2" 2> /dev/null; then
    "${PYTHON:-python3}" -m venv "${folder}/env"
    PYTHON="${folder}/env/bin/python"
    "${PYTHON}" -m pip install -qq --disable-pip-version-check espnet==202611
fi
cd "${folder}"
"${PYTHON:-python3}" - <<'PYTHON'
import inspect
import logging
import sys
import textwrap
from argparse import Namespace
from importlib.metadata import version

import torch
from espnet2.tasks.abs_task import AbsTask
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

print("espnet", version("espnet"), "torch", torch.__version__)
logged = []
handler = logging.Handler()
handler.emit = lambda record: logged.append(record.getMessage())
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.DEBUG)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.ctc = torch.nn.Linear(2, 3), torch.nn.Linear(3, 4)


torch.save(Model().state_dict(), "model.pth")


def loaded(value):
    """Return how many tensors a value of init_param changes, and what is logged."""
    model = Model()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    logged.clear()
    load_pretrained_model(value, model, ignore_init_mismatch=False)
    changed = sum(not torch.equal(before[n], x) for n, x in model.state_dict().items())
    print(f"init_param {value}: {changed} tensors changed, logged: {logged}")
    return changed, len(logged)


right = loaded("model.pth:encoder:encoder")
misspelt = loaded("model.pth:encodr:encoder")
nothing_left = loaded("model.pth:encoder:encoder:encoder,ctc")

lines = inspect.getsource(AbsTask.main_worker).split("\n")
first = next(n for n, one in enumerate(lines) if "in args.freeze_param" in one)
depth = len(lines[first]) - len(lines[first].lstrip())
last = first + 1
while lines[last].strip() and len(lines[last]) - len(lines[last].lstrip()) > depth:
    last += 1
freezing = textwrap.dedent("\n".join(lines[first:last]))


def frozen(name):
    """Return how many weights a value of freeze_param freezes, and what is logged."""
    model = Model()
    logged.clear()
    exec(
        freezing,
        {"args": Namespace(freeze_param=[name]), "model": model, "logging": logging},
    )
    number = sum(not one.requires_grad for one in model.parameters())
    print(f"freeze_param {name}: {number} weights frozen, logged: {logged}")
    return number, len(logged)


as_described = (
    right == (2, 0)
    and misspelt == nothing_left == (0, 0)
    and frozen("encoder") == (2, 2)
    and frozen("encodr") == (0, 0)
)
if not as_described:
    sys.exit("CHANGED: ESPnet treats names that match no weights differently")
PYTHON
