"""Detect early that a training with CTC does not learn."""

import logging
import math
from dataclasses import dataclass
from typing import Optional, Sequence

from espnet_plugin.errors import UserError

__all__ = ["CHOICES", "PlateauWatch", "stands_still"]

CHOICES = ("stop", "warn", "off")

# With a dev error of at least this, almost nothing is recognised.
_ERROR = 0.9
# Relative fall of the loss from the first to the last quarter of an epoch that counts
# as learning.
_FALL = 0.02
# Number of updates before which a learning rate that still rises may be the reason.
_UPDATES = 500
# Number of epochs in a row; one may be the end of the rise of the learning rate.
_EPOCHS = 2

_ADVICE = (
    "Look at train.log: with a high loss that does not move, try another --seed, a "
    "longer rise of the learning rate (scheduler_conf.pct_start) or a higher or "
    "lower max_lr, smaller batches (batch_bins), and check that transcripts belong "
    "to the audio; ctc_start must not be random. docs/your_own_model.md, 'If a "
    "training does not learn', explains how to find the cause"
)


@dataclass(frozen=True)
class _Epoch:
    """Summary of an epoch's training losses.

    Attributes:
        updates: Number of updates.
        first: Mean training loss of its first quarter of updates.
        last: Mean training loss of its last quarter of updates.
    """

    updates: int
    first: float
    last: float


def stands_still(losses: Sequence[float], error: Optional[float]) -> bool:
    """Return whether a model has not learnt anything in an epoch.

    Args:
        losses: Training loss of each update, in order.
        error: Character error rate on dev after the epoch, as a fraction; None if not
        known.
    """
    if error is None or not math.isfinite(error) or error < _ERROR or not losses:
        return False
    epoch = _summary(losses)
    return not epoch.last <= (1 - _FALL) * epoch.first


def _summary(losses: Sequence[float]) -> _Epoch:
    quarter = max(1, len(losses) // 4)
    first, last = losses[:quarter], losses[-quarter:]
    return _Epoch(len(losses), sum(first) / quarter, sum(last) / quarter)


class PlateauWatch:
    """Warns of a training that does not learn, and stops it if that continues.

    The model has not learnt in an epoch if the character error rate on dev is at least
    90 % after it, and the mean loss of the last quarter of its updates is not at least
    2 % below that of the first quarter. Epochs only count after 500 updates. Two such
    epochs in a row end the training.

    Args:
        action: ``stop``, ``warn`` (never ends the training) or ``off``.

        Raises:
            UserError: If ``action`` is none of these.
    """

    def __init__(self, action: str = "stop"):
        if action not in CHOICES:
            raise UserError(f"--on_plateau {action}: must be one of {CHOICES}")
        self.action = action
        self._losses: list[float] = []
        self._updates = 0
        self._in_a_row = 0

    def add(self, losses: Sequence[float]) -> None:
        """Record the training losses of an epoch.

        Args:
            losses: Loss of each update, in order. Values that are not finite are
            skipped.
        """
        self._losses = [value for value in losses if math.isfinite(value)]
        self._updates += len(losses)

    def judge(self, epoch: int, error: Optional[float]) -> None:
        """Judge the epoch whose losses were recorded last.

        Args:
            epoch: Number of the epoch, from 1.
            error: Character error rate on dev after the epoch, as a fraction.

        Raises:
            UserError: If the model has not learnt in two epochs in a row and the action
                is ``stop``.
        """
        if self.action == "off":
            return
        still = self._updates >= _UPDATES and stands_still(self._losses, error)
        self._in_a_row = self._in_a_row + 1 if still else 0
        if not still:
            return
        seen = _summary(self._losses)
        message = (
            f"epoch {epoch}: this training does not learn: after {self._updates} "
            f"updates {100 * error:.0f} % of the characters of the dev set are wrong, "
            f"and the training loss is still {seen.last:.4g} ({seen.first:.4g} at the "
            f"start of the epoch). {_ADVICE}"
        )
        if self.action == "stop" and self._in_a_row >= _EPOCHS:
            raise UserError(
                f"{message}. Stopped after {_EPOCHS} such epochs in a row; "
                "--on_plateau warn (on_plateau: warn in the configuration) continues "
                "from the last checkpoint"
            )
        logging.warning(message)
