"""Over seeds and over sizes: means, ranges, and what a whole family costs.

All of it is computed from the rows and the shared runs of ``results.json``, and so can
be checked from that file alone.
"""

from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

import numpy as np

from espnet_plugin.evaluate.bootstrap import (
    PairedComparison,
    bootstrap_interval,
    paired_bootstrap,
)

__all__ = [
    "COST_KEYS",
    "Family",
    "Group",
    "compare_groups",
    "family_costs",
    "group_rows",
]

COST_KEYS = (
    "train_seconds",
    "audio_seconds",
    "train_flops",
    "teacher_flops",
    "epochs",
)

Cost = dict[str, Optional[float]]


@dataclass(frozen=True)
class Group:
    """The rows that differ in nothing but the seed.

    Attributes:
        method: Of all of them.
        variant: Of all of them.
        layers: Of all of them.
        seeds: All of them.
        scored: How many have a test score.
        params: Parameters of one model.
        test_wer: Mean over seeds, percent.
        wer_range: Lowest and highest seed, percent.
        wer_ci95: 95 % interval of the mean, see `group_rows`; None where not known.
        test_words: Words of the test set.
        test_cer: Mean over seeds, percent.
        dev_wer: Mean over seeds, percent.
        encoder_rtf: Mean over seeds.
        own: Mean cost of one model, without the shared EncRL run; None as soon as it is
            not known of one seed.
        shared: Mean cost of the shared run, each in full; zeros where there is none,
            None where it is not known.
        unit_errors: Mean errors over seeds by bootstrap unit, shape (units,).
        unit_words: Words by bootstrap unit, shape (units,).
    """

    method: str
    variant: str
    layers: int
    seeds: tuple[int, ...]
    scored: int
    params: Optional[float]
    test_wer: Optional[float]
    wer_range: Optional[tuple[float, float]]
    wer_ci95: Optional[tuple[float, float]]
    test_words: Optional[int]
    test_cer: Optional[float]
    dev_wer: Optional[float]
    encoder_rtf: Optional[float]
    own: Cost
    shared: Cost
    has_shared: bool
    unit_errors: Optional[np.ndarray] = field(default=None, repr=False, compare=False)
    unit_words: Optional[np.ndarray] = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Method and variant, for a legend."""
        return f"{self.method} {self.variant}".strip()

    @property
    def whole(self) -> Cost:
        """Cost of one model with the shared run counted in full."""
        return {key: _add(self.own[key], self.shared[key]) for key in COST_KEYS}

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "variant": self.variant,
            "layers": self.layers,
            "seeds": list(self.seeds),
            "scored": self.scored,
            "test_wer_mean": self.test_wer,
            "test_wer_min": self.wer_range[0] if self.wer_range else None,
            "test_wer_max": self.wer_range[1] if self.wer_range else None,
            "wer_ci95": list(self.wer_ci95) if self.wer_ci95 else None,
            "test_cer_mean": self.test_cer,
            "dev_wer_mean": self.dev_wer,
            "own_cost_mean": self.own,
            "whole_cost_mean": self.whole,
        }


@dataclass(frozen=True)
class Family:
    """All sizes of one method and variant, and what making them all costs.

    Attributes:
        method: Of all sizes.
        variant: Of all sizes.
        layers: The sizes, largest first.
        sets: Over how many sets of all sizes (seeds) the costs are means.
        own: Sum over the sizes.
        shared: Of the EncRL runs they share, each counted once.
    """

    method: str
    variant: str
    layers: tuple[int, ...]
    sets: int
    own: Cost
    shared: Cost

    @property
    def whole(self) -> Cost:
        return {key: _add(self.own[key], self.shared[key]) for key in COST_KEYS}

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "variant": self.variant,
            "layers": list(self.layers),
            "sets": self.sets,
            "own_cost": self.own,
            "shared_cost": self.shared,
            "whole_cost": self.whole,
        }


def group_rows(rows: Sequence[Mapping], shared: Iterable[Mapping]) -> list[Group]:
    """Join rows that differ only in the seed, in the rows' order.

    The interval of several seeds is that of their mean on this test set: the errors of
    one utterance are pooled over seeds, and whole utterances (or speakers, if the
    scores were made so) are drawn. It covers the choice of the test utterances, not the
    luck of the seed: for that, the range stands beside it.

    Args:
        rows: Of results.json.
        shared: Of results.json.
    """
    runs = {entry["name"]: entry for entry in shared}
    groups: dict[tuple, list[Mapping]] = {}
    for row in rows:
        key = (row["method"], row.get("variant") or "", row["layers"])
        groups.setdefault(key, []).append(row)
    return [_group(key, members, runs) for key, members in groups.items()]


def _group(key: tuple, rows: list[Mapping], runs: Mapping[str, Mapping]) -> Group:
    scored = [row for row in rows if row.get("test_wer") is not None]
    rates = [row["test_wer"] for row in scored]
    errors, words = _pool(scored)
    return Group(
        method=key[0],
        variant=key[1],
        layers=key[2],
        seeds=tuple(row["seed"] for row in rows),
        scored=len(scored),
        params=_mean(rows, "params"),
        test_wer=_mean(rows, "test_wer"),
        wer_range=(min(rates), max(rates)) if rates else None,
        wer_ci95=_interval(scored, errors, words),
        test_words=scored[0].get("test_words") if scored else None,
        test_cer=_mean(rows, "test_cer"),
        dev_wer=_mean(rows, "dev_wer"),
        encoder_rtf=_mean(rows, "encoder_rtf"),
        own={cost: _mean_of([row.get(cost) for row in rows]) for cost in COST_KEYS},
        shared={
            cost: _mean_of([_shared_cost(row, runs, cost) for row in rows])
            for cost in COST_KEYS
        },
        has_shared=any(row.get("shared") for row in rows),
        unit_errors=errors,
        unit_words=words,
    )


def _pool(scored: list[Mapping]) -> tuple[Optional[np.ndarray], Optional[np.ndarray]]:
    """Mean errors over seeds and words, by unit; None if the seeds cannot be pooled."""
    texts = {row.get("test_words_by_unit") for row in scored}
    if len(texts) != 1 or None in texts:
        return None, None
    words = np.array(texts.pop().split(), dtype=float)
    errors = [
        np.array(row["test_errors_by_unit"].split(), dtype=float) for row in scored
    ]
    return np.mean(errors, axis=0), words


def _interval(
    scored: list[Mapping], errors: Optional[np.ndarray], words: Optional[np.ndarray]
) -> Optional[tuple[float, float]]:
    if len(scored) == 1:
        given = scored[0].get("wer_ci95")
        return tuple(given) if given else None
    if errors is None or words is None:
        return None
    return bootstrap_interval(errors, words)


def compare_groups(first: Group, second: Group) -> Optional[PairedComparison]:
    """Paired bootstrap of two groups' mean errors; None if their units differ."""
    if first.unit_words is None or second.unit_words is None:
        return None
    if not np.array_equal(first.unit_words, second.unit_words):
        return None
    return paired_bootstrap(first.unit_errors, second.unit_errors, first.unit_words)


def family_costs(rows: Sequence[Mapping], shared: Iterable[Mapping]) -> list[Family]:
    """Cost of all sizes of a method together, shared EncRL runs counted once.

    A set is the rows of one method, variant and seed; only sets with every size of
    their method and variant count, and only methods with two sizes or more are listed.

    Args:
        rows: Of results.json.
        shared: Of results.json.
    """
    runs = {entry["name"]: entry for entry in shared}
    sets: dict[tuple, dict[int, dict[int, Mapping]]] = {}
    for row in rows:
        by_seed = sets.setdefault((row["method"], row.get("variant") or ""), {})
        by_seed.setdefault(row["seed"], {})[row["layers"]] = row
    families = []
    for (method, variant), by_seed in sets.items():
        sizes = sorted({size for one in by_seed.values() for size in one}, reverse=True)
        complete = [one for one in by_seed.values() if len(one) == len(sizes)]
        if len(sizes) < 2 or not complete:
            continue
        families.append(
            Family(
                method=method,
                variant=variant,
                layers=tuple(sizes),
                sets=len(complete),
                own=_set_costs(complete, lambda one, key: _own_sum(one, key)),
                shared=_set_costs(
                    complete, lambda one, key: _shared_sum(one, runs, key)
                ),
            )
        )
    return families


def _set_costs(
    sets: list[dict[int, Mapping]],
    cost: Callable[[dict[int, Mapping], str], Optional[float]],
) -> Cost:
    return {key: _mean_of([cost(one, key) for one in sets]) for key in COST_KEYS}


def _own_sum(one: dict[int, Mapping], key: str) -> Optional[float]:
    return _sum([row.get(key) for row in one.values()])


def _shared_sum(
    one: dict[int, Mapping], runs: Mapping[str, Mapping], key: str
) -> Optional[float]:
    # Sizes that name the same run pay for it once.
    by_run = {row.get("shared"): row for row in one.values()}
    return _sum([_shared_cost(row, runs, key) for row in by_run.values()])


def _shared_cost(
    row: Mapping, runs: Mapping[str, Mapping], key: str
) -> Optional[float]:
    if not row.get("shared"):
        return 0.0
    return runs.get(row["shared"], {}).get(key)


def _mean(rows: Iterable[Mapping], key: str) -> Optional[float]:
    known = [row[key] for row in rows if row.get(key) is not None]
    return float(np.mean(known)) if known else None


def _mean_of(values: Sequence[Optional[float]]) -> Optional[float]:
    """Mean, or None as soon as one is not known: a cost must not look smaller."""
    return None if _sum(values) is None else _sum(values) / len(values)


def _sum(values: Sequence[Optional[float]]) -> Optional[float]:
    if any(value is None for value in values):
        return None
    return float(sum(values))


def _add(first: Optional[float], second: Optional[float]) -> Optional[float]:
    return None if first is None or second is None else first + second
