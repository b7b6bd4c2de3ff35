"""Supervised dual-mode training as an ESPnet task."""

import argparse
from typing import Mapping

import torch
from espnet2.utils.types import str_or_none

from espnet_plugin import host
from espnet_plugin.errors import UserError
from espnet_plugin.export.checkpoint import read_checkpoint
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.schedule import total_updates

__all__ = ["START_MASKS", "DualModeASRTask"]

START_MASKS = ("new", "kept")
_ENCODER, _PRUNER = "encoder.", "encoder.pruner."

# At import, because a spawned rank imports this module to find the task.
host.register()


class DualModeASRTask(CountedASRTask):
    """Trains the dense full-context and the sparse streaming recogniser together."""

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add where to start from to the options of ESPnet's ASR task."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Dual-mode related")
        group.add_argument(
            "--start_from",
            type=str_or_none,
            help="Checkpoint of a pre-trained or trained supernet: its encoder is "
            "where this training starts",
        )
        group.add_argument(
            "--start_masks",
            choices=START_MASKS,
            default="new",
            help="new: the masks' schedule begins again; kept: those of the "
            "checkpoint, where they were",
        )
        group.add_argument(
            "--start_whole",
            action="store_true",
            help="Take the recogniser's output layers of --start_from as well",
        )

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build the supernet and fill its encoder, if there is a start.

        Raises:
            UserError: If an option is wrong or the checkpoint does not fit.
        """
        if args.encoder != host.DUAL_MODE:
            raise UserError(
                f"encoder {args.encoder}: dual-mode training needs encoder: "
                f"{host.DUAL_MODE}"
            )
        args.model = host.DUAL_MODE_MODEL
        model = super().build_model(args)
        model.updates = total_updates(args) * args.accum_grad
        if args.start_from is not None:
            start(model, args.start_from, args.start_masks, args.start_whole)
        return model


def start(
    model: torch.nn.Module, path: str, masks: str = "new", whole: bool = False
) -> None:
    """Fill the encoder from a checkpoint, or the whole model.

    Args:
        model: The supernet.
        path: Of a pre-training or of another dual-mode training; its encoder must
            have the same tensors, masks aside.
        masks: Of ``START_MASKS``.
        whole: Not the encoder alone.

    Raises:
        UserError: If tensors are missing, surplus or of another shape.
    """
    state = read_checkpoint(path)
    theirs = _parts(state, whole, masks == "kept")
    ours = _parts(model.state_dict(), whole, masks == "kept")
    problems = []
    for what, names in (
        ("lacks", sorted(set(ours) - set(theirs))),
        ("has besides", sorted(set(theirs) - set(ours))),
        (
            "has of another shape",
            sorted(
                name
                for name in set(ours) & set(theirs)
                if ours[name].shape != theirs[name].shape
            ),
        ),
    ):
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            problems.append(f"{what} {len(names)} tensors ({some})")
    if problems:
        raise UserError(
            f"--start_from {path} {'; '.join(problems)}: encoder_conf must be that of "
            "the training it comes from"
            + ("" if masks == "new" else ", pruning included, or --start_masks new")
        )
    model.load_state_dict({**model.state_dict(), **theirs})


def _parts(
    state: Mapping[str, torch.Tensor], whole: bool, masks: bool
) -> dict[str, torch.Tensor]:
    return {
        name: value
        for name, value in state.items()
        if (whole or name.startswith(_ENCODER))
        and (masks or not name.startswith(_PRUNER))
        and name != "dual_mode_draws"
        # Statistics are the corpus's own.
        and not name.startswith("normalize.")
    }
