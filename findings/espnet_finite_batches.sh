#!/usr/bin/env bash
# ESPnet: an epoch that fails on half of the development set can be the best one.
#
# After each epoch ESPnet validates the model, and keeps the epochs with the best mean of a
# value, for example of the loss. Batches in which the value is infinite or NaN are left out of
# the mean, without a message. A model that computes nothing for long utterances
# (16-bit numbers that overflow, a mask that hides all frames) is compared by its mean
# over the short ones, which are easier, with models that are compared by all of them.
#
# Here the models of three epochs have the loss 1 for short utterances, and for long ones
# infinity, NaN and 3. ESPnet's trainer reports 1, 1 and 2, and takes the first epoch as the
# best.
#
# It matters because valid.loss.best.pth, and all of a recipe after it, is then the model that
# fails. One expects infinity as the mean, or a warning. In training the same batches have a
# message ("The grad norm is nan. Skipping updating the model").
#
# PYTHON=p chooses the Python that makes the temporary environment (ESPnet: several GB; or
# PYTHON has ESPnet already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import espnet2' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check espnet==202611 torch==2.14.1
    python=venv/bin/python
fi
"${python}" -W ignore - 2> messages <<'EOF' || { cat messages >&2; exit 1; }
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from espnet2.tasks.lm import LMTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter
from espnet2.train.trainer import Trainer

print("ESPnet", version("espnet"))
SHORT, LONG = 100, 1000


class Model(torch.nn.Module):
    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def forward(self, speech, utt_id):
        loss = torch.tensor(self.losses[speech.shape[1]])
        return loss, {"loss": loss}, torch.tensor(float(len(speech)))


batches = [
    (["a", "b"], {"speech": torch.zeros(2, SHORT)}),
    (["c", "d"], {"speech": torch.zeros(2, LONG)}),
]
models = {
    "fails for long utterances": Model({SHORT: 1.0, LONG: float("inf")}),
    "NaN for long utterances": Model({SHORT: 1.0, LONG: float("nan")}),
    "works for all": Model({SHORT: 1.0, LONG: 3.0}),
}
reporter = Reporter()
options = Trainer.build_options(LMTask.get_parser().parse_args(["--output_dir", "exp"]))
for epoch, (name, model) in enumerate(models.items(), 1):
    reporter.set_epoch(epoch)
    with reporter.observe("valid") as part:
        Trainer.validate_one_epoch(
            model=model,
            iterator=batches,
            reporter=part,
            options=options,
            distributed_option=DistributedOption(),
        )
    print(f"epoch {epoch}, {name}: loss {reporter.get_value('valid', 'loss', epoch)}")
best = reporter.get_best_epoch("valid", "loss", "min")
print("best epoch:", best)
values = [reporter.get_value("valid", "loss", epoch) for epoch in (1, 2, 3)]
if values != [1.0, 1.0, 2.0] or best not in (1, 2):
    sys.exit(f"CHANGED: {values}, best epoch {best}")
if "finite" in Path("messages").read_text() or "invalid" in Path("messages").read_text():
    sys.exit("CHANGED: there is a message")
EOF
