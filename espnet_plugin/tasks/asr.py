"""ESPnet's ASR task as it is, with its cost recorded."""

import argparse
from pathlib import Path
from typing import Optional

from espnet2.tasks.asr import ASRTask

from espnet_plugin.tasks.schedule import fill_schedule
from espnet_plugin.tasks.trainer import CostTrainer, keep_whole_checkpoint

__all__ = ["CountedASRTask", "seconds_per_input"]


def seconds_per_input(args: argparse.Namespace) -> float:
    """Return the seconds of one input step: a sample, or a frame of 10 ms features."""
    if args.frontend is None:
        return 0.01
    rate = (args.frontend_conf or {}).get("fs", 16000)
    if isinstance(rate, str):
        rate = float(rate.rstrip("kK")) * (1000 if rate[-1] in "kK" else 1)
    return 1.0 / rate


class CountedASRTask(ASRTask):
    """Stock training of a stock model; ``cost.json`` is written beside it."""

    trainer = CostTrainer

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the stock model; see ``ASRTask.build_model``."""
        model = super().build_model(args)
        model.seconds_per_input = seconds_per_input(args)
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers, once the schedule's length is known."""
        fill_schedule(args)
        return super().build_optimizers(args, model)

    @classmethod
    def main(cls, args: Optional[argparse.Namespace] = None, cmd=None):
        """Train, going on from the last whole checkpoint; see ``ASRTask.main``."""
        if args is None:
            args = cls.get_parser().parse_args(cmd)
        # Before ranks are spawned, because only one may move files.
        if args.output_dir is not None:
            keep_whole_checkpoint(Path(args.output_dir))
        super().main(args=args)
