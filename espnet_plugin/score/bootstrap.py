"""Intervals and comparisons of error rates by bootstrap over whole utterances.

M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR
performance evaluation", ICASSP 2004, https://doi.org/10.1109/ICASSP.2004.1326009
"""

from dataclasses import dataclass
from typing import Iterable, Sequence

import numpy as np

from espnet_plugin.errors import UserError

__all__ = [
    "DEFAULT_RESAMPLES",
    "PairedComparison",
    "bootstrap_interval",
    "paired_bootstrap",
    "sum_by_unit",
]

DEFAULT_RESAMPLES = 10_000
_CONFIDENCE_PERCENTILES = (2.5, 97.5)
_SIGNIFICANCE = 0.05
# Number of drawn indices in memory at the same time (8 bytes each).
_INDICES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class PairedComparison:
    """Two systems on the same utterances.

    Attributes:
        difference: Error rate of the second minus that of the first, in percentage
            points. Below zero, the second is better.
        ci95: 95 % interval of the difference, (low, high) in percentage points.
        p_value: Two-sided p-value.
        words: Number of words in the references.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    words: int

    @property
    def shown(self) -> bool:
        """Whether the difference is significant (p below 0.05)."""
        return self.p_value < _SIGNIFICANCE

    def sentence(
        self, first: str = "the first", second: str = "the second", unit: str = "words"
    ) -> str:
        """Return the comparison as a sentence; ``unit`` is what was counted."""
        low, high = self.ci95
        numbers = f"{self.difference:+.1f} points, p = {self.p_value:.2g}"
        if not self.shown:
            return (
                f"no difference shown between {first} and {second} at {self.words} "
                f"{unit} ({numbers}, 95 % interval {low:+.1f} to {high:+.1f})"
            )
        better, worse = (second, first) if self.difference < 0 else (first, second)
        least, most = sorted((abs(low), abs(high)))
        return (
            f"{better} makes {least:.1f} to {most:.1f} points fewer errors than "
            f"{worse} at {self.words} {unit} ({numbers})"
        )


def sum_by_unit(values: Sequence[float], units: Sequence[str]) -> np.ndarray:
    """Sum values by unit (e.g. speaker), in the order in which units appear.

    Args:
        values: One value for each utterance.
        units: Unit of each utterance.

    Returns:
        Shape (number of units,).
    """
    index = {name: number for number, name in enumerate(dict.fromkeys(units))}
    return np.bincount(
        [index[unit] for unit in units], weights=np.asarray(values, dtype=float)
    )


def _resampled_sums(
    columns: np.ndarray, resamples: int, seed: int
) -> Iterable[np.ndarray]:
    """Yield sums over units drawn with replacement, (draws in the chunk, columns)."""
    count = len(columns)
    generator = np.random.default_rng(seed)
    chunk = max(1, _INDICES_AT_ONCE // count)
    for start in range(0, resamples, chunk):
        draws = min(chunk, resamples - start)
        drawn = generator.integers(count, size=(draws, count))
        yield np.stack([column[drawn].sum(axis=1) for column in columns.T], axis=1)


def _check_bootstrap(words: np.ndarray, resamples: int) -> None:
    if words.sum() <= 0:
        raise UserError(
            "the references contain no words, so an error rate cannot be computed: "
            "check the reference text"
        )
    if resamples < 1:
        raise UserError(f"resamples {resamples}: must be at least 1")


def bootstrap_interval(
    errors: Sequence[float],
    words: Sequence[float],
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % percentile interval of an error rate.

    Source: Bisani and Ney 2004, section 2.

    Args:
        errors: Errors of each unit (utterance or speaker), shape (units,).
        words: Length of the reference of each unit, shape (units,).
        resamples: Number of bootstrap samples.
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        (low, high) in percent. Samples without any reference word are left out.

    Raises:
        UserError: If no reference has a word, or ``resamples`` is below one.
    """
    columns = np.stack([np.asarray(errors, float), np.asarray(words, float)], axis=1)
    _check_bootstrap(columns[:, 1], resamples)
    sums = np.concatenate(list(_resampled_sums(columns, resamples, seed)))
    sums = sums[sums[:, 1] > 0]
    low, high = np.percentile(100.0 * sums[:, 0] / sums[:, 1], _CONFIDENCE_PERCENTILES)
    return float(low), float(high)


def paired_bootstrap(
    first_errors: Sequence[float],
    second_errors: Sequence[float],
    words: Sequence[float],
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Compare two systems on the same utterances (Bisani and Ney 2004, section 3).

    Each draw has the same utterances for both systems, so the common difficulty of
    utterances cancels. The p-value is twice the smaller share of draws on one side of
    zero, at most 1. Ties count on both sides, and one draw is added so that it is never
    zero.

    Args:
        first_errors: Errors of each unit, shape (units,); may be means over seeds.
        second_errors: Errors of each unit of the other system.
        words: Length of the reference of each unit.
        resamples: Number of bootstrap samples.
        seed: Seed of the draws.

    Raises:
        UserError: If no reference has a word, or ``resamples`` is below one.
        ValueError: If the three differ in length.
    """
    columns = np.stack(
        [
            np.asarray(second_errors, float) - np.asarray(first_errors, float),
            np.asarray(words, float),
        ],
        axis=1,
    )
    _check_bootstrap(columns[:, 1], resamples)
    sums = np.concatenate(list(_resampled_sums(columns, resamples, seed)))
    sums = sums[sums[:, 1] > 0]
    # Sums of means over seeds may be 1e-17 in place of zero because of rounding.
    sums[np.abs(sums[:, 0]) < 1e-9, 0] = 0.0
    differences = 100.0 * sums[:, 0] / sums[:, 1]
    low, high = np.percentile(differences, _CONFIDENCE_PERCENTILES)
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return PairedComparison(
        difference=float(100.0 * columns[:, 0].sum() / columns[:, 1].sum()),
        ci95=(float(low), float(high)),
        p_value=min(1.0, 2.0 * (int(tail) + 1) / (len(differences) + 1)),
        words=int(round(columns[:, 1].sum())),
    )
