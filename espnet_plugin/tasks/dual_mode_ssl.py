"""Dual-mode pre-training (wav2vec 2.0, BEST-RQ) as an ESPnet task."""

import argparse
from pathlib import Path
from typing import Optional

from espnet2.tasks.ssl import SSLTask
from espnet2.train.collate_fn import CommonCollateFn

from espnet_plugin import host
from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import make_exact
from espnet_plugin.names import (
    BEST_RQ,
    DUAL_MODE,
    DUAL_MODE_SSL,
    SPAN_MASK,
    WAV2VEC2,
)
from espnet_plugin.tasks.asr import seconds_per_input
from espnet_plugin.tasks.batches import warn_of_large_batches
from espnet_plugin.tasks.mixed_audio import check_mixed_audio
from espnet_plugin.tasks.named_weights import check_named_weights
from espnet_plugin.tasks.schedule import batches_per_epoch, complete_schedule
from espnet_plugin.tasks.trainer import CostTrainer, keep_whole_checkpoint

__all__ = ["DualModeSSLTask"]

# At import, because a spawned rank finds the task by importing this module.
host.register()
host.register_ssl()


class DualModeSSLTask(SSLTask):
    """ESPnet's SSL task for the dual-mode encoder, on whole utterances.

    Unlike ESPnet's task, it has no tokens and labels, which these losses do not use,
    and does not cut all utterances of a batch to the length of the shortest.
    """

    trainer = CostTrainer

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        """Return a parser without abbreviations; see ``AbsTask.get_parser``."""
        return make_exact(super().get_parser())

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the options of ESPnet's SSL task with the defaults of this task."""
        super().add_task_arguments(parser)
        parser.set_defaults(
            required=["output_dir"],
            use_preprocessor=False,
            frontend="default",
            normalize="global_mvn",
            preencoder=None,
            encoder=DUAL_MODE,
            model=DUAL_MODE_SSL,
            loss=[{"name": WAV2VEC2, "conf": {}}],
            util=[{"name": SPAN_MASK, "conf": {}}],
        )

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool):
        """Return a collate function that pads samples or features."""
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=-1)

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the model and set the length of its training.

        Raises:
            UserError: If an option is unknown or out of range.
        """
        for option, wanted in (
            ("encoder", DUAL_MODE),
            ("model", DUAL_MODE_SSL),
        ):
            if getattr(args, option) != wanted:
                raise UserError(
                    f"--{option} {getattr(args, option)}: must be {wanted} here; for "
                    "other values use espnet2.tasks.ssl"
                )
        args.token_list = []  # required by ESPnet's task
        for option in ("loss", "util"):
            for part in getattr(args, option):
                # An empty `conf:` in a YAML file is None.
                part["conf"] = dict(part.get("conf") or {})
        for loss in args.loss:
            if loss["name"] in (WAV2VEC2, BEST_RQ):
                loss["conf"]["mask_util"] = SPAN_MASK
            if loss["name"] == BEST_RQ and args.normalize is None:
                raise UserError(
                    f"--normalize null: the loss {BEST_RQ} needs normalised features, "
                    "because it uses only a few of its codes otherwise; give global_mvn"
                )
        model = super().build_model(args)
        model.seconds_per_input = seconds_per_input(args)
        if not args.collect_stats and args.train_shape_file:
            batches = (batches_per_epoch(args),) * args.max_epoch
            model.set_plan(TrainingPlan(batches, args.accum_grad))
        return model

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model):
        """Build the optimisers after checks and completing the schedule.

        Raises:
            UserError: If ``freeze_param`` or ``init_param`` name no weights, or files
                of ``noise_scp`` or ``rir_scp`` have another sampling rate.
        """
        check_named_weights(args, model)
        check_mixed_audio(args)
        warn_of_large_batches(args)
        args.scheduler_conf = complete_schedule(args)
        return super().build_optimizers(args, model)

    @classmethod
    def main(cls, args: Optional[argparse.Namespace] = None, cmd=None):
        """Train, resuming from the last complete checkpoint; see ``SSLTask.main``."""
        if args is None:
            args = cls.get_parser().parse_args(cmd)
        # Before ranks are spawned, because only one may move files.
        if args.output_dir is not None:
            keep_whole_checkpoint(Path(args.output_dir))
        super().main(args=args)
