"""ESPnet's language model task with the cost recorded."""

import argparse
import logging
from pathlib import Path
from typing import Optional

from espnet2.tasks.lm import LMTask
from espnet2.train.trainer import Trainer

from espnet_plugin import host
from espnet_plugin.cost.log import CostLog, Stopwatch
from espnet_plugin.exact_parser import make_exact
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.tasks.batches import warn_of_large_batches
from espnet_plugin.tasks.criteria import check_criteria
from espnet_plugin.tasks.curves import leave_out_curves
from espnet_plugin.tasks.named_weights import check_named_weights
from espnet_plugin.tasks.trainer import keep_whole_checkpoint

__all__ = ["CountedLMTask"]

# At import, because a spawned rank finds the task by importing this module.
host.register_lm()


class CostLMTrainer(Trainer):
    """``espnet2.train.trainer.Trainer`` that also writes ``cost.json``."""

    @classmethod
    def build_options(cls, args):
        """Read the options; curves are left out where what draws them is missing."""
        for package in leave_out_curves(args):
            logging.info("%s is not installed, so no curves are drawn", package)
        return super().build_options(args)

    @classmethod
    def train_one_epoch(cls, model, iterator, reporter, options, **others):
        """Train one epoch and record its cost; see the base class."""
        counted, watch = _Counted(iterator), Stopwatch()
        invalid = super().train_one_epoch(
            model=model, iterator=counted, reporter=reporter, options=options, **others
        )
        wall, cpu = watch.read()
        if others["distributed_option"].dist_rank in (None, 0):
            CostLog(Experiment(options.output_dir).cost_file).add(
                reporter.epoch,
                train_seconds=wall,
                cpu_seconds=cpu,
                tokens=counted.tokens,
            )
        return invalid

    @classmethod
    def validate_one_epoch(cls, model, iterator, reporter, options, **others):
        """Validate one epoch; see the base class.

        Raises:
            UserError: If epochs are to be chosen by a value that does not exist.
        """
        super().validate_one_epoch(
            model=model, iterator=iterator, reporter=reporter, options=options, **others
        )
        check_criteria(reporter.stats, options, reporter.epoch)


class _Counted:
    """A loader that counts the tokens in its batches."""

    def __init__(self, loader):
        self._loader, self.tokens = loader, 0

    def __len__(self):
        return len(self._loader)

    def __iter__(self):
        for utts, batch in self._loader:
            # Plus one end-of-sentence token per sentence.
            self.tokens += int(batch["text_lengths"].sum()) + len(utts)
            yield utts, batch


class CountedLMTask(LMTask):
    """Trains stock language models; also writes ``cost.json``."""

    trainer = CostLMTrainer

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        """Return a parser without abbreviations; see ``AbsTask.get_parser``."""
        return make_exact(super().get_parser())

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers; see ``LMTask.build_optimizers``.

        Raises:
            UserError: If ``freeze_param`` or ``init_param`` name no weights.
        """
        check_named_weights(args, model)
        warn_of_large_batches(args)
        return super().build_optimizers(args, model)

    @classmethod
    def main(cls, args: Optional[argparse.Namespace] = None, cmd=None):
        """Train, resuming from the last complete checkpoint; see ``LMTask.main``."""
        if args is None:
            args = cls.get_parser().parse_args(cmd)
        if args.output_dir is not None:
            keep_whole_checkpoint(Path(args.output_dir))
        super().main(args=args)
