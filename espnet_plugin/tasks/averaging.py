"""The number of epochs that are averaged: one rule for all trainings."""

import argparse
import logging
import math

__all__ = ["BEST_SHARE", "limit_averaged", "num_averaged"]

# Largest share of the epochs that is averaged. The first epochs of a short training are
# too far from the last for a useful average.
BEST_SHARE = 0.5


def num_averaged(wanted: int, max_epoch: int) -> int:
    """Return how many of the best epochs are averaged: at most half, rounded up.

    ESPnet 202611 averages nothing if ``keep_nbest_models`` is larger than the number of
    epochs, and links the single best epoch as ``*.ave.pth``. So a single epoch of a
    short training would be compared with an average of a longer one.

    Args:
        wanted: ``keep_nbest_models`` of the configuration.
        max_epoch: Epochs of the training.
    """
    return max(1, min(wanted, math.ceil(BEST_SHARE * max_epoch)))


def limit_averaged(args: argparse.Namespace) -> None:
    """Limit the number of epochs that are averaged in a training's options.

    Args:
        args: ESPnet's options; ``keep_nbest_models`` is changed, also in
            ``config.yaml``.
    """
    given = args.keep_nbest_models
    several = given if isinstance(given, (list, tuple)) else [given]
    limited = sorted({num_averaged(int(n), args.max_epoch) for n in several})
    if limited != sorted(several):
        # Not a warning: the rule holds for all, and configurations of this repository
        # that are used with fewer epochs come here as well.
        logging.info(
            "keep_nbest_models: %s of %d epochs are averaged instead of %s: the best "
            "half, rounded up",
            *(limited[-1], args.max_epoch, max(several)),
        )
        args.keep_nbest_models = limited if len(limited) > 1 else limited[0]
