#!/usr/bin/env bash
# ESPnet: by a criterion that a model does not have, the *first* epochs are the best.
#
# best_model_criterion says which epochs are kept, linked as best, and averaged into the
# model that recipes decode with; with attention it is usually valid acc max, and
# valid.acc.ave.pth is the default of asr.sh. A model that is trained with CTC alone
# (ctc_weight: 1) has no attention, and so no acc. One expects an error. Instead the value
# is NaN in every epoch, the epochs stay in their order when they are sorted by it, and
# valid.acc.ave.pth is the mean of the first keep_nbest_models epochs. The log says that
# "the best model has been updated: valid.acc", in epoch 1, and only Python's warnings
# have a line "No valid stats found", which does not say of what.
#
# A criterion with a misspelt name (valid, los) is skipped. Then no epoch is among the
# best, and after each epoch the files of all earlier ones are deleted: one epoch is left
# of a training of days, with no best and no averaged model.
#
# It matters for every configuration that is changed from hybrid training to CTC, as
# fine-tuning does: everything runs to the end, and the error rate is that of a model
# that has hardly been trained.
#
# A small model is trained on noise for six epochs by ESPnet's trainer.
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
import warnings
from pathlib import Path

import torch

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.asr import ASRTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.trainer import Trainer

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
EPOCHS, KEPT = 6, 2


class Said(logging.Handler):
    lines: list = []

    def emit(self, record):
        if "best model has been" in record.getMessage():
            self.lines.append(record.getMessage().split("updated: ")[1])


class Batches(AbsIterFactory):
    def __init__(self, batch):
        self.batch = batch

    def build_iter(self, epoch, shuffle=None):
        return [(["utterance"], self.batch)]


def train(folder, criterion):
    """Train, and return the log's lines and the files that are left."""
    torch.manual_seed(0)
    args = ASRTask.get_parser().parse_args(["--output_dir", folder])
    args.input_size, args.token_list = 8, ["<blank>", "<unk>", "a", "b", "<sos/eos>"]
    args.encoder, args.decoder, args.model_conf = "transformer", None, {"ctc_weight": 1}
    args.encoder_conf = dict(
        output_size=16, attention_heads=2, linear_units=16, num_blocks=1
    )
    args.specaug = args.normalize = args.frontend = None
    args.max_epoch, args.keep_nbest_models = EPOCHS, [KEPT]
    args.best_model_criterion = criterion
    args.use_tensorboard = args.use_matplotlib = False
    args.ngpu = 0
    model = ASRTask.build_model(args)
    batch = {
        "speech": torch.randn(2, 60, 8),
        "speech_lengths": torch.tensor([60, 50]),
        "text": torch.tensor([[2, 3, 2], [3, 3, 2]]),
        "text_lengths": torch.tensor([3, 3]),
    }
    Path(folder).mkdir()
    Said.lines.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Trainer.run(
            model=model,
            optimizers=[torch.optim.Adam(model.parameters(), lr=0.01)],
            schedulers=[None],
            train_iter_factory=Batches(batch),
            valid_iter_factory=Batches(batch),
            plot_attention_iter_factory=None,
            trainer_options=Trainer.build_options(args),
            distributed_option=DistributedOption(),
        )
    links = {
        path.name: path.resolve().name
        for path in sorted(Path(folder).glob("valid.*.pth"))
        if path.is_symlink()
    }
    epochs = sorted(path.name for path in Path(folder).glob("*epoch.pth"))
    print(f"\nbest_model_criterion {criterion}, {EPOCHS} epochs, {KEPT} kept")
    print("  said to be updated:", *Said.lines, sep="\n    ")
    print("  warnings:", {str(one.message).split("\n")[0] for one in caught})
    print("  links:", *(f"{k} -> {v}" for k, v in links.items()), sep="\n    ")
    print("  left:", *epochs)
    return list(Said.lines), links, epochs


logging.getLogger().addHandler(Said())
logging.getLogger().setLevel(logging.INFO)
loss, acc = ["valid", "loss", "min"], ["valid", "acc", "max"]
said, links, epochs = train("both", [loss, acc])
if links["valid.loss.best.pth"] != f"{EPOCHS}epoch.pth":
    sys.exit("CHANGED: expected the last epoch to have the lowest loss")
if links["valid.acc.best.pth"] != "1epoch.pth" or "valid.acc" in "".join(said[1:]):
    sys.exit("CHANGED: expected the first epoch to be the best by acc")
states = [torch.load(f"both/{epoch}epoch.pth") for epoch in (1, 2)]
average = torch.load("both/valid.acc.ave.pth")
name = "ctc.ctc_lo.weight"
mean = (states[0][name] + states[1][name]) / 2
print("  valid.acc.ave.pth is the mean of epochs 1 and 2:", end=" ")
print(torch.allclose(average[name], mean))
if not torch.allclose(average[name], mean) or torch.equal(*(s[name] for s in states)):
    sys.exit("CHANGED: expected the mean of the first two epochs")

said, links, epochs = train("misspelt", [["valid", "los", "min"]])
if said or links or epochs != [f"{EPOCHS}epoch.pth"]:
    sys.exit("CHANGED: expected nothing but the last epoch")
EOF
