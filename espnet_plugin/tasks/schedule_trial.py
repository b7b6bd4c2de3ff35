"""Try a learning-rate schedule for a few steps, before any training starts.

Many classes only fail at their first step or when they first change the learning rate,
which can be hours after the start: at a number that YAML reads as text (``1e-6``), for
example.
"""

import inspect
import math
from typing import Any, Callable, Mapping

import torch
from espnet2.schedulers.abs_scheduler import (
    AbsBatchStepScheduler,
    AbsEpochStepScheduler,
    AbsValEpochStepScheduler,
)

__all__ = ["try_schedule"]

_TRIAL = 3
# Of onecyclelr the trainer computes it; more than any share of it that is given.
_TOTAL = 99991
# Of schedules that wait for a number of epochs, so that the rate changes in the trial.
_WAITING = ("patience", "cooldown")


def try_schedule(
    name: str,
    kind: type,
    conf: Mapping[str, Any],
    make_optimiser: Callable[[], torch.optim.Optimizer],
) -> None:
    """Make a schedule and take some steps.

    Args:
        name: The schedule's name in the configuration.
        kind: Its class.
        conf: Its options.
        make_optimiser: Makes an optimiser.

    Raises:
        Exception: What the class raises.
        ValueError: If the learning rate is not a number of 0 or more.
    """
    if name == "onecyclelr" and not {"total_steps", "steps_per_epoch"} & set(conf):
        conf = {**conf, "total_steps": _TOTAL}
    kind(make_optimiser(), **conf)
    options = inspect.signature(kind).parameters
    conf = {**conf, **{one: 0 for one in _WAITING if one in options}}
    optimiser = make_optimiser()
    schedule = kind(optimiser, **conf)
    for _ in range(_TRIAL):
        optimiser.step()
        # As ESPnet's trainer does; some are stepped after a batch and after an epoch.
        if isinstance(schedule, AbsBatchStepScheduler):
            schedule.step()
        if isinstance(schedule, AbsValEpochStepScheduler):
            schedule.step(1.0)
        elif isinstance(schedule, AbsEpochStepScheduler):
            schedule.step()
        for group in optimiser.param_groups:
            if not 0 <= float(group["lr"]) < math.inf:
                raise ValueError(f"the learning rate becomes {group['lr']}")
