#!/usr/bin/env bash
# ESPnet: with accum_grad, the last batches of an epoch are added to the first update of
# the next epoch, which is up to twice too large; after a resumption they are lost.
#
# accum_grad: 4 makes one update from four batches, each with a quarter of its gradient.
# If the number of batches of an epoch is not a multiple of four, one expects that the
# rest makes a smaller update, or is left out. Instead its gradients stay in place when
# the epoch ends. The counting begins again in the next epoch, so that its first update
# has the rest of the epoch before and four batches: with 7 batches in an epoch, 1.75
# times the gradient, in every epoch but the first. The rest of the last epoch is never
# used. The validation between the two epochs is done with weights that lack it.
#
# Checkpoints have no gradients. So a training that was stopped and resumed makes other
# updates than one that ran through: here 3 batches of each epoch are never learnt from.
# One expects the same training, because the data loader draws each epoch from its number
# for that very reason.
#
# It matters most where an epoch has few batches (a small corpus, or
# num_iters_per_epoch) and one update in a few is of that kind, with optimisers and
# clipping that see the larger gradient. The log has a higher grad_norm in these updates,
# and nothing else.
#
# Trainer.train_one_epoch() tests "iiter % accum_grad" with a count that starts at 1 in
# each epoch, and calls zero_grad() only after an update. A model whose gradient says
# which batches it comes from is trained by ESPnet's trainer.
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
from pathlib import Path

import torch

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.asr import ASRTask
from espnet2.train.abs_espnet_model import AbsESPnetModel
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.trainer import Trainer

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
BATCHES, ACCUMULATED, EPOCHS = 7, 4, 3


class Model(AbsESPnetModel):
    """The gradient of batch i is 1 in weight i, and 0 in the others."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(BATCHES))

    def forward(self, number, **_):
        loss = self.weight[number].sum()
        return loss, {"loss": loss.detach()}, torch.tensor(1.0)

    def collect_feats(self, **batch):
        raise NotImplementedError


class Recorded(torch.optim.SGD):
    def step(self, closure=None):
        updates.append(self.param_groups[0]["params"][0].grad.tolist())
        return super().step(closure)


class Batches(AbsIterFactory):
    def build_iter(self, epoch, shuffle=None):
        return [([f"batch{i}"], {"number": torch.tensor([i])}) for i in range(BATCHES)]


def train(folder, epochs):
    """Train up to a number of epochs, from what the folder has; return the weights."""
    args = ASRTask.get_parser().parse_args(["--output_dir", folder])
    args.max_epoch, args.keep_nbest_models, args.accum_grad = epochs, [1], ACCUMULATED
    args.best_model_criterion = [["valid", "loss", "min"]]
    args.use_tensorboard = args.use_matplotlib = False
    args.ngpu, args.resume = 0, True
    model = Model()
    Path(folder).mkdir(exist_ok=True)
    Trainer.run(
        model=model,
        optimizers=[Recorded(model.parameters(), lr=1.0)],
        schedulers=[None],
        train_iter_factory=Batches(),
        valid_iter_factory=Batches(),
        plot_attention_iter_factory=None,
        trainer_options=Trainer.build_options(args),
        distributed_option=DistributedOption(),
    )
    return [0 - weight for weight in model.weight.tolist()]


def report(name, learnt):
    print(f"\n{name}: {BATCHES} batches in an epoch, accum_grad {ACCUMULATED}")
    for number, shares in enumerate(updates, 1):
        batches = [str(i) for i, share in enumerate(shares, 1) if share]
        print(
            f"  update {number}: batches {' '.join(batches)}, {sum(shares):.2f} times "
            "the gradient of a batch"
        )
    print(f"  learnt from the batches: {' '.join(f'{x:g}' for x in learnt)}")
    return [sum(shares) for shares in updates]


updates = []
through = train("through", EPOCHS)
at_once = report("one run", through)
updates = []
for epoch in range(1, EPOCHS + 1):
    stopped = train("stopped", epoch)
resumed = report("resumed after each epoch", stopped)
if at_once != [1, 1.75, 1.75]:
    sys.exit("CHANGED: expected 7 batches in the first update of an epoch")
if resumed != [1, 1, 1] or stopped[ACCUMULATED:] != [0, 0, 0] or through == stopped:
    sys.exit("CHANGED: expected that a resumed training lacks the last batches")
EOF
