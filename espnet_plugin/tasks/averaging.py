"""How many of a training's epochs are averaged: one rule for every training."""

import argparse
import logging
import math

__all__ = ["BEST_SHARE", "limit_averaged", "num_averaged"]

# Of the epochs, those that may be averaged. The first ones of a short training are far
# from the last, and their mean is no model.
BEST_SHARE = 0.5


def num_averaged(wanted: int, max_epoch: int) -> int:
    """Return how many of the best epochs are averaged: at most half, rounded up.

    ESPnet 202611 averages nothing where ``keep_nbest_models`` is larger than the number
    of epochs, and links the single best epoch as ``*.ave.pth``: a short training would
    be compared as one epoch with the mean of several of a longer one.

    Args:
        wanted: ``keep_nbest_models`` of the configuration.
        max_epoch: Epochs of the training.
    """
    return max(1, min(wanted, math.ceil(BEST_SHARE * max_epoch)))


def limit_averaged(args: argparse.Namespace) -> None:
    """Put the number of epochs that are averaged into a training's options.

    Args:
        args: ESPnet's options; ``keep_nbest_models`` is changed, and so is what ESPnet
            writes to ``config.yaml``.
    """
    given = args.keep_nbest_models
    several = given if isinstance(given, (list, tuple)) else [given]
    limited = sorted({num_averaged(int(n), args.max_epoch) for n in several})
    if limited != sorted(several):
        logging.warning(
            "keep_nbest_models: %s of %d epochs are averaged instead of %s: the best "
            "half, rounded up",
            *(limited[-1], args.max_epoch, max(several)),
        )
        args.keep_nbest_models = limited if len(limited) > 1 else limited[0]
