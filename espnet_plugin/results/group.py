"""Groups of rows that only differ in the seed: means, intervals and cost."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np

from espnet_plugin.results import metrics
from espnet_plugin.results.cost import Cost, mean_cost, own_cost, shared_cost
from espnet_plugin.results.metric import Metric, PooledInterval
from espnet_plugin.results.retained import Retained, retained_of
from espnet_plugin.results.row import Interval, Row
from espnet_plugin.results.shared_run import Runs, chain_of, reference_of
from espnet_plugin.score.bootstrap import bootstrap_interval
from espnet_plugin.shape import Shape

__all__ = ["Group", "Pooled", "group_rows", "make_group"]

# A few parameters, such as biases that stay at zero, are zero without pruning.
_PRUNED_BELOW = 0.99


@dataclass(frozen=True)
class Pooled:
    """Errors of several seeds on the same set.

    Attributes:
        errors: Mean errors over seeds for each unit of the bootstrap, shape (units,).
        lengths: Number of words or characters in each unit, shape (units,).
    """

    errors: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Group:
    """Rows that only differ in the seed.

    Attributes:
        rows: The rows, one for each seed.
        own: Mean cost of one model, without shared runs.
        shared: Mean cost of the shared runs, in full; zeros if there are none.
        intervals: 95 % intervals of means in percent, by the names of `PooledInterval`.
        pooled: Errors on the test set, of words or characters (`by_character`); None if
            they cannot be pooled.
        references: References of the scored rows, including None if one is not known.
        retained: The rows and runs taken from an earlier results.json.
    """

    rows: tuple[Row, ...]
    own: Cost
    shared: Cost
    intervals: Mapping[str, Optional[Interval]]
    pooled: Optional[Pooled] = field(repr=False, compare=False)
    references: frozenset
    retained: Retained

    @property
    def method(self) -> str:
        return self.rows[0].identity.method

    @property
    def variant(self) -> str:
        return self.rows[0].identity.variant

    @property
    def layers(self) -> int:
        return self.rows[0].identity.layers

    @property
    def size(self) -> int:
        """Nominal number of layers, by parameters; usually equal to ``layers``."""
        return self.rows[0].identity.size

    @property
    def shape(self) -> Shape:
        """The size, with the width if it is not that of the reference."""
        return self.rows[0].identity.shape

    @property
    def mode(self) -> Optional[str]:
        """``full`` or ``streaming``; None for models with one mode."""
        return self.rows[0].mode

    @property
    def name(self) -> str:
        """Method and variant, for a legend."""
        return self.rows[0].identity.name

    @property
    def label(self) -> str:
        """Method, variant and size: the group's name in sentences."""
        return self.rows[0].identity.label

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(row.identity.seed for row in self.rows)

    @cached_property
    def scored(self) -> tuple[Row, ...]:
        """The rows that have a test score."""
        return tuple(row for row in self.rows if row.quality.test_wer is not None)

    @property
    def test_sets(self) -> frozenset:
        """Keys of the test sets of the scored rows, including None if not known."""
        return frozenset(row.quality.test_set for row in self.scored)

    @cached_property
    def test_wer(self) -> Optional[float]:
        """Mean word error rate over seeds, in percent."""
        return self.mean("test_wer")

    @property
    def by_character(self) -> bool:
        """Whether errors are counted by character (scripts without spaces)."""
        return _by_character(self.scored)

    @property
    def error_rate(self) -> Optional[float]:
        """The rate for comparing models in percent: CER if `by_character`, else WER."""
        return self.mean("test_cer") if self.by_character else self.test_wer

    @property
    def error_interval(self) -> Optional[Interval]:
        """95 % interval of `error_rate`."""
        return self.intervals["cer_ci95" if self.by_character else "wer_ci95"]

    @property
    def error_name(self) -> str:
        """``CER`` or ``WER``."""
        return "CER" if self.by_character else "WER"

    @cached_property
    def params(self) -> Optional[float]:
        """Number of parameters of one model."""
        return self.mean("params")

    @cached_property
    def params_nonzero(self) -> Optional[float]:
        """Number of parameters that are not exactly zero."""
        return self.mean("params_nonzero")

    @property
    def is_pruned(self) -> bool:
        """Whether weights were set to zero, which does not make the model faster."""
        if not self.params or self.params_nonzero is None:
            return False
        return self.params_nonzero < _PRUNED_BELOW * self.params

    @property
    def has_shared(self) -> bool:
        """Whether the cost includes a shared run."""
        return any(row.identity.shared_run for row in self.rows)

    @cached_property
    def whole(self) -> Cost:
        """Cost of one model with the shared run counted in full."""
        return self.own + self.shared

    def values(self, name: str) -> list[float]:
        """Return the known values of a metric, one per seed."""
        metric = metrics.find_metric(name)
        return [value for value in map(metric.of, self.rows) if value is not None]

    def mean(self, name: str) -> Optional[float]:
        """Return a metric averaged over seeds; None if no seed has it."""
        known = self.values(name)
        return metrics.find_metric(name).average(known) if known else None

    def range(self, name: str) -> Optional[Interval]:
        """Return the lowest and highest value of a metric over seeds."""
        known = self.values(name)
        return (min(known), max(known)) if known else None

    def to_dict(self) -> dict[str, Any]:
        written = {
            "method": self.method,
            "variant": self.variant,
            "layers": self.layers,
            "size": self.size,
            **({} if self.shape.width is None else {"width": self.shape.width}),
            "seeds": list(self.seeds),
            "scored": len(self.scored),
            "kept": list(self.retained.names),
        }
        for metric in metrics.METRICS:
            if metric.aggregated and not metric.is_cost:
                written.update(self._aggregate(metric))
        return {
            **written,
            "own_cost_mean": dict(self.own.figures),
            "whole_cost_mean": dict(self.whole.figures),
        }

    def _aggregate(self, metric: Metric) -> dict[str, Any]:
        name = metric.name
        found: dict[str, Any] = {f"{name}_mean": self.mean(name)}
        if metric.ranged:
            low, high = self.range(name) or (None, None)
            found.update({f"{name}_min": low, f"{name}_max": high})
        for one in metric.intervals:
            ends = self.intervals[one.name]
            found[one.name] = list(ends) if ends else None
        return found


def group_rows(rows: Iterable[Row], runs: Runs) -> tuple[Group, ...]:
    """Group rows that only differ in the seed, in the order of the rows.

    The interval of several seeds is that of their mean on this test set: errors of each
    utterance are averaged over seeds, and whole utterances (or speakers, if the scores
    used them) are drawn. It reflects the choice of the test utterances, not the
    variation between seeds, which the range shows.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.identity.group_key, []).append(row)
    return tuple(make_group(members, runs) for members in groups.values())


def make_group(rows: Sequence[Row], runs: Runs) -> Group:
    """Make a group from its rows; see `group_rows`."""
    scored = [row for row in rows if row.quality.test_wer is not None]
    chains = [chain_of(row.identity.shared_run, runs) for row in rows]
    return Group(
        rows=tuple(rows),
        own=mean_cost(list(map(own_cost, rows))),
        shared=mean_cost([shared_cost(names, runs) for names in chains]),
        intervals={
            one.name: _interval([r for r in rows if metric.of(r) is not None], one)
            for metric in metrics.METRICS
            for one in metric.intervals
        },
        pooled=(
            _pool(scored, "test_char_errors_by_unit", "test_chars_by_unit")
            if _by_character(scored)
            else _pool(scored, "test_errors_by_unit", "test_words_by_unit")
        ),
        references=frozenset(reference_of(row, runs) for row in scored),
        retained=retained_of(rows, runs),
    )


def _by_character(scored: Sequence[Row]) -> bool:
    return bool(scored) and all(
        row.quality.error_unit == "char" and row.quality.test_cer is not None
        for row in scored
    )


def _interval(rows: Sequence[Row], one: PooledInterval) -> Optional[Interval]:
    if len(rows) == 1:
        return getattr(rows[0].quality, one.name)
    pooled = _pool(rows, one.errors, one.lengths)
    return bootstrap_interval(pooled.errors, pooled.lengths) if pooled else None


def _pool(rows: Sequence[Row], errors: str, lengths: str) -> Optional[Pooled]:
    """Average counts over seeds; None if their units differ."""
    units = {getattr(row.quality, lengths) for row in rows}
    sets = {row.quality.test_set for row in rows}
    if len(units) != 1 or None in units or len(sets) > 1:
        return None
    counts = np.array([getattr(row.quality, errors) for row in rows], dtype=float)
    return Pooled(counts.mean(axis=0), np.array(units.pop(), dtype=float))
