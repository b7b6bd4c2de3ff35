"""The lines of a training on the terminal: progress, error on dev and time left."""

import logging
import math
import time
from statistics import fmean
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence

from espnet_plugin.progress import duration

__all__ = ["epoch_line", "mean_of", "with_progress"]

# Figures of the validation that are error rates, and of what.
_ERRORS = {
    "cer_ctc": "",
    "cer": " of the attention decoder",
    "cer_ctc_full": " with full context",
    "cer_ctc_streaming": " streaming",
}
_EVERY_S = 120.0


def mean_of(stats: Mapping[str, Sequence[Any]], name: str) -> Optional[float]:
    """Return the weighted mean of a value over all batches.

    Args:
        stats: The values of each batch by name, as ESPnet's ``SubReporter`` keeps them.
        name: Name of the value.

    Returns:
        The mean without values that are not finite; None if there are none.
    """
    pairs = [
        (float(one.value), float(one.weight))
        for one in stats.get(name, ())
        if math.isfinite(one.value)
    ]
    weight = sum(w for _, w in pairs)
    return sum(v * w for v, w in pairs) / weight if weight else None


def epoch_line(
    epoch: int,
    epochs: int,
    stats: Mapping[str, Sequence[Any]],
    seconds: Sequence[float],
) -> str:
    """Return the line for an epoch that has been validated.

    Args:
        epoch: Number of the epoch, from 1.
        epochs: Number of epochs of the training.
        stats: Values of the validation; see :func:`mean_of`.
        seconds: Durations of the epochs so far in seconds, the last one at the end.
    """
    parts = []
    two_modes = "cer_ctc_streaming" in stats  # then "cer" is the mean of both
    for name, of_what in _ERRORS.items():
        value = mean_of(stats, name)
        if value is not None and not (name == "cer" and two_modes):
            parts.append(f"character error rate{of_what} {100 * value:.1f} %")
    for name, label in (("ppl", "perplexity"), ("loss", "loss")):
        value = mean_of(stats, name)
        if value is not None:
            parts.append(f"{label} {value:.4g}")
    line = f"epoch {epoch} of {epochs}"
    if parts:
        line += f": on dev {', '.join(parts)}"
    if seconds:
        line += f"; {duration(seconds[-1])}"
        if epoch < epochs:
            left = fmean(seconds) * (epochs - epoch)
            line += f", about {duration(left)} left"
    return line


def with_progress(
    batches: Iterable[Any],
    total: Optional[int],
    epoch: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Any]:
    """Yield ``batches``; log every two minutes how many are done.

    Args:
        batches: The batches of an epoch.
        total: Their number; None if unknown.
        epoch: Number of the epoch, from 1.
        clock: Monotonic clock in seconds; tests replace it.
    """
    start = last = clock()
    for done, batch in enumerate(batches, 1):
        yield batch
        now = clock()
        if now - last < _EVERY_S or done == total:
            continue
        last = now
        line = f"epoch {epoch}: {done} batches"
        if total is not None and done < total:
            left = (now - start) / done * (total - done)
            line = f"epoch {epoch}: {done} of {total} batches, {duration(left)} left"
        logging.info("%s", line)
