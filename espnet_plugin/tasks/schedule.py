"""The number of updates of a training, which some schedules need beforehand."""

import argparse
from typing import Any

from espnet_plugin.counted import counted
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.batches import build_batches
from espnet_plugin.tasks.selection import read_selection

__all__ = [
    "batches_per_epoch",
    "complete_schedule",
    "total_updates",
    "updates_per_epoch",
]


def updates_per_epoch(args: argparse.Namespace) -> int:
    """Return the number of updates in one epoch of ESPnet's training.

    Raises:
        UserError: If the length of an epoch is not fixed.
    """
    # Batches left over at the end of an epoch update nothing
    # (Trainer.train_one_epoch).
    return batches_per_epoch(args) // args.accum_grad


def batches_per_epoch(args: argparse.Namespace) -> int:
    """Return the number of batches in one epoch over all data.

    Raises:
        UserError: If the length of an epoch is not fixed.
    """
    if args.iterator_type != "sequence":
        raise UserError(
            f"iterator_type {args.iterator_type}: its epochs have no fixed length, so "
            "the length of the training is not known: set scheduler_conf.total_steps "
            "explicitly, and do not use model_conf.fading"
        )
    if args.num_iters_per_epoch is not None:
        batches = args.num_iters_per_epoch
    else:
        batches = len(build_batches(args, args.train_shape_file))
    return batches


def complete_schedule(args: argparse.Namespace) -> dict[str, Any]:
    """Return the schedule's options, with ``total_steps`` for ``onecyclelr``.

    It is one more than the number of updates, because ESPnet also steps the schedule
    after the last update.

    Raises:
        UserError: If the rise of the learning rate would have no steps.
    """
    conf = args.scheduler_conf
    given = "total_steps" in conf or "steps_per_epoch" in conf
    if args.scheduler != "onecyclelr" or given:
        return conf
    steps, rise = total_updates(args) + 1, conf.get("pct_start", 0.3)
    if rise * steps == 1:
        # torch would divide by zero.
        raise UserError(
            f"{counted(steps - 1, 'update')}: too few for onecyclelr with pct_start "
            f"{rise}: "
            "train for more epochs (--max_epoch; in recipes --encrl_epochs and the "
            "like) or in smaller batches (batch_bins; --encrl_args '--batch_bins N')"
        )
    return {**conf, "total_steps": steps}


def total_updates(args: argparse.Namespace) -> int:
    """Return the number of updates of the training, considering data selection."""
    selection = read_selection(args)
    whole = updates_per_epoch(args)
    if selection is None:
        return args.max_epoch * whole
    batches = batches_per_epoch(args)
    return sum(
        selection.batches_of(batches, epoch) // args.accum_grad
        for epoch in range(1, args.max_epoch + 1)
    )
