"""Whether the values by which epochs are chosen exist in a training's validation.

ESPnet 202611 skips a criterion that names no value, so that a training with a misspelt
one ends without a model; a criterion for early stopping ends in a ``KeyError``. From
the mean of a value it leaves out batches in which the value is not finite, so that an
epoch that fails on some batches can be the best one
(``findings/espnet_finite_batches.sh``).
"""

import logging
import math
from typing import Any, Mapping, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.suggest import did_you_mean

__all__ = ["check_criteria"]

_PHASES = ("train", "valid")
# Measurements of the training, not of the model.
_TIMES = ("time", "iter_time", "forward_time", "total_count")


def check_criteria(
    stats: Mapping[str, Sequence[Any]], options: Any, epoch: int
) -> None:
    """Check the criteria on the development set after a validation.

    Args:
        stats: The values of each batch by name, as ESPnet's ``SubReporter`` keeps them.
        options: Options of ESPnet's trainer.
        epoch: Number of the epoch, from 1.

    Raises:
        UserError: If no criterion of ``best_model_criterion`` has a value, one is of
            another phase than training and validation, or the one of
            ``early_stopping_criterion`` has no value and ``patience`` is set.
    """
    _look_at_left_out(stats, options, epoch)
    known = {
        name
        for name, steps in stats.items()
        if name not in _TIMES and any(not math.isnan(one.value) for one in steps)
    }
    ways = f"the validation computes {', '.join(sorted(known))}"
    criteria = options.best_model_criterion
    _check_phases("best_model_criterion", criteria)
    chosen = [name for phase, name, _ in criteria if phase == "valid"]
    missing = [name for name in chosen if name not in known]
    if missing and len(missing) == len(chosen):
        raise UserError(
            f"best_model_criterion {criteria}: the validation has no value "
            f"{missing[0]}{did_you_mean(missing[0], known)}, so no epoch could be "
            f"chosen; {ways}"
        )
    if missing and epoch == 1:
        logging.warning(
            "best_model_criterion: the validation has no value %s; %s",
            ", ".join(missing),
            ways,
        )
    if options.patience is not None:
        _check_phases("early_stopping_criterion", [options.early_stopping_criterion])
    phase, name, _ = options.early_stopping_criterion
    if options.patience is not None and phase == "valid" and name not in known:
        raise UserError(
            f"early_stopping_criterion {' '.join(options.early_stopping_criterion)}: "
            f"the validation has no value {name}{did_you_mean(name, known)}; {ways}"
        )


def _check_phases(option: str, criteria: Sequence[Sequence[str]]) -> None:
    for phase, *_ in criteria:
        if phase not in _PHASES:
            raise UserError(
                f"{option} {criteria}: {phase!r} must be one of "
                f"{', '.join(_PHASES)}{did_you_mean(phase, _PHASES)}"
            )


def _look_at_left_out(
    stats: Mapping[str, Sequence[Any]], options: Any, epoch: int
) -> None:
    """Warn if a criterion's value is missing in some batches of the validation."""
    criteria = (*options.best_model_criterion, options.early_stopping_criterion)
    for name in dict.fromkeys(name for phase, name, _ in criteria if phase == "valid"):
        steps = stats.get(name, ())
        bad = sum(not math.isfinite(one.value) for one in steps)
        if 0 < bad < len(steps):
            logging.warning(
                "epoch %d: %s is not finite in %d of %d batches of the development "
                "set. Its mean, by which epochs are chosen, leaves them out, so the "
                "epoch looks better than it is. Look for unusual utterances "
                "(bin/doctor); with a GPU, try use_amp: false",
                *(epoch, name, bad, len(steps)),
            )
