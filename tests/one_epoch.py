"""One epoch of our trainer on batches in memory."""

import torch
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter

from espnet_plugin.tasks.trainer import CostTrainer


def train_epoch(model, batches, args, distributed=None, epoch=1):
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
            options=CostTrainer.build_options(args),
            distributed_option=distributed or DistributedOption(),
        )
