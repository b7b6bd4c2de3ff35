"""Training with pruning as an ESPnet task."""

import argparse

from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none, str_or_none

from espnet_plugin import host
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.checkpoints.load import load_state
from espnet_plugin.errors import UserError
from espnet_plugin.names import PRUNED
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.schedule import total_updates

__all__ = ["PrunedASRTask"]

# At import, because a spawned rank finds the task by importing this module.
host.register()


class PrunedASRTask(CountedASRTask):
    """Fine-tunes a trained model while a pruner sets more of its weights to zero."""

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the pruning options to those of ESPnet's ASR task."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Pruning related")
        group.add_argument(
            "--dense_model_file",
            type=str_or_none,
            help="Checkpoint from which pruning starts",
        )
        group.add_argument("--pruner", type=str, default="magnitude")
        group.add_argument("--pruner_conf", action=NestedDictAction, default=dict())
        group.add_argument(
            "--pruner_nonzero", type=int_or_none, help="Number of parameters to keep"
        )
        group.add_argument(
            "--pruner_without",
            type=str,
            nargs="*",
            default=[],
            help="Parts that are not pruned, e.g. conv_module",
        )

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the dense model, load its weights and install the masks.

        Raises:
            UserError: If an option is missing or the checkpoint does not fit.
        """
        for option in ("dense_model_file", "pruner_nonzero"):
            if getattr(args, option) is None:
                raise UserError(f"--{option} is needed")
        args.model = PRUNED
        model = super().build_model(args)
        state = dict(read_checkpoint(args.dense_model_file))
        # The counters of pruning start from zero.
        state.update(
            {k: v for k, v in model.state_dict().items() if k.startswith("pruning_")}
        )
        load_state(model, state, args.dense_model_file)
        model.attach_pruner(
            args.pruner,
            args.pruner_conf,
            args.pruner_nonzero,
            total_updates(args) * args.accum_grad,
            tuple(args.pruner_without),
        )
        return model
