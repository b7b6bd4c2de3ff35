#!/usr/bin/env bash
# ESPnet: with fewer epochs than keep_nbest_models, "ave" is one epoch, not their mean.
#
# At the end of a training, ESPnet averages the best checkpoints and links the result as
# valid.<criterion>.ave.pth, the file that recipes decode with. keep_nbest_models is the
# number, 10 in many recipes. One expects that a training with fewer epochs is averaged
# over the epochs that there are. Instead no mean is computed at all: "ave" becomes a link
# to the single best epoch, and nothing is logged. With 5 epochs and the value 5 the five
# are averaged; with 4 epochs and the value 5 none are.
#
# It matters for each comparison of a short training with a long one, such as brief
# fine-tuning with training from scratch: the long one is a mean of several checkpoints
# and the short one is not, though both use the same configuration.
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
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import logging
import sys
from pathlib import Path

import torch

from espnet2.main_funcs.average_nbest_models import average_nbest_models
from espnet2.train.reporter import Reporter

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)


class Said(logging.Handler):
    lines: list = []

    def emit(self, record):
        self.lines.append(record.getMessage())


logging.getLogger().addHandler(Said())
logging.getLogger().setLevel(logging.INFO)
averages = {}
for epochs in 4, 5, 6:
    folder = Path(f"{epochs}epochs")
    folder.mkdir()
    reporter = Reporter()
    Said.lines.clear()
    for epoch in range(1, epochs + 1):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as sub:
            # The later the better, so that the best n are the last n.
            sub.register({"loss": torch.tensor(1.0 / epoch)})
            sub.next()
        torch.save({"w": torch.tensor(float(epoch))}, folder / f"{epoch}epoch.pth")
    average_nbest_models(folder, reporter, [("valid", "loss", "min")], 5)
    link = folder / "valid.loss.ave.pth"
    averages[epochs] = torch.load(link)["w"].item()
    print(
        f"{epochs} epochs with weights 1 to {epochs}, keep_nbest_models 5: "
        f"ave -> {link.resolve().name}, weight {averages[epochs]}, log {Said.lines}"
    )
    if epochs == 4 and Said.lines:
        sys.exit("CHANGED: something is said")
if averages[5] != 3.0 or averages[6] != 4.0:
    sys.exit("CHANGED: five epochs are not averaged")
if averages[4] != 4.0:
    sys.exit("CHANGED: four epochs are averaged")
EOF
