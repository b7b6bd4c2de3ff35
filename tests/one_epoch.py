"""One epoch of our trainer on batches in memory, and a model for it."""

import torch
from espnet2.train.abs_espnet_model import AbsESPnetModel
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter

from espnet_plugin.tasks.trainer import CostTrainer


def train_epoch(model, batches, args, distributed=None, epoch=1, options=None):
    """Train on pairs of names and batch, by plain gradient descent."""
    reporter = Reporter()
    reporter.set_epoch(epoch)
    with reporter.observe("train") as observed:
        CostTrainer.train_one_epoch(
            model=model,
            iterator=batches,
            optimizers=[torch.optim.SGD(model.parameters(), lr=0.01)],
            schedulers=[None],
            scaler=None,
            reporter=observed,
            summary_writer=None,
            options=options or CostTrainer.build_options(args),
            distributed_option=distributed or DistributedOption(),
        )


class Mean(AbsESPnetModel):
    """Its loss is as finite as the samples."""

    seconds_per_input = 1 / 16000

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Linear(1, 1)

    def forward(self, speech, speech_lengths, utt_id=None):
        loss = self.scale(speech[..., None]).square().mean()
        return loss, {"loss": loss.detach()}, torch.tensor(float(len(speech)))

    def collect_feats(self, **batch):
        raise AssertionError("not for these tests")
