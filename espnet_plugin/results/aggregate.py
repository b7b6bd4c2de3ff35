"""Over seeds: means, ranges, intervals, and what one model costs.

All of it is computed from the rows and the shared runs of ``results.json``, and so can
be checked from that file alone.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np

from espnet_plugin.results.kept import Kept, kept_of
from espnet_plugin.results.references import reference_of
from espnet_plugin.results.row_cost import (
    COST_KEYS,
    Cost,
    add_costs,
    mean_cost,
    run_names,
    runs_cost,
)
from espnet_plugin.results.size import row_size, size_text
from espnet_plugin.score.bootstrap import bootstrap_interval

__all__ = ["Group", "group_rows", "of_references"]

Interval = tuple[float, float]

# A bias that starts at zero and stays there is no pruning.
_PRUNED_BELOW = 0.99


@dataclass(frozen=True)
class Group:
    """The rows that differ in nothing but the seed.

    Attributes:
        method: Of all of them.
        variant: Of all of them.
        layers: Of all of them.
        size: Layers of a model of as many parameters; mostly the layers.
        seeds: All of them.
        scored: How many have a test score.
        params: Parameters of one model.
        params_nonzero: Those of them that are not exactly zero.
        file_bytes: Size of the checkpoint.
        test_wer: Mean over seeds, percent.
        wer_range: Lowest and highest seed, percent.
        wer_ci95: 95 % interval of the mean, see `group_rows`; None where not known.
        wer_ci95_speakers: The same over speakers; None where there are not several.
        test_words: Words of the test set.
        test_cer: Mean over seeds, percent.
        cer_ci95: 95 % interval of the mean, as of the WER.
        dev_wer: Mean over seeds, percent.
        dev_wer_ci95: 95 % interval of the mean, as of the test set's.
        encoder_rtf: Mean over seeds.
        rtf_load: The highest load of the machine under which one was measured.
        macs: Multiply-adds per second of audio.
        peak_memory_mb: Of a forward pass, mean over seeds.
        own: Mean cost of one model, without the shared training; None as soon as it is
            not known of one seed.
        shared: Mean cost of the shared run, each in full; zeros where there is none,
            None where it is not known.
        unit_errors: Mean errors over seeds by bootstrap unit, shape (units,).
        unit_words: Words by bootstrap unit, shape (units,).
        test_sets: Keys of the test sets of the rows, None among them if not known.
        dirs: Folders of the rows.
        references: Which the scored rows learnt from; None among them if not known.
        kept: What of the rows and their trainings is of an earlier results.json.
        mode: Of all of them, full or streaming; None where a model has one mode.
        chunk_rtf: Of one chunk of a streaming model, mean over seeds.
    """

    method: str
    variant: str
    layers: int
    size: int
    seeds: tuple[int, ...]
    scored: int
    params: Optional[float]
    params_nonzero: Optional[float]
    file_bytes: Optional[float]
    test_wer: Optional[float]
    wer_range: Optional[Interval]
    wer_ci95: Optional[Interval]
    wer_ci95_speakers: Optional[Interval]
    test_words: Optional[int]
    test_cer: Optional[float]
    cer_ci95: Optional[Interval]
    dev_wer: Optional[float]
    dev_wer_ci95: Optional[Interval]
    encoder_rtf: Optional[float]
    rtf_load: Optional[float]
    macs: Optional[float]
    peak_memory_mb: Optional[float]
    own: Cost
    shared: Cost
    has_shared: bool
    unit_errors: Optional[np.ndarray] = field(default=None, repr=False, compare=False)
    unit_words: Optional[np.ndarray] = field(default=None, repr=False, compare=False)
    test_sets: frozenset = frozenset()
    dirs: tuple[str, ...] = ()
    references: frozenset = frozenset()
    kept: Kept = Kept()
    mode: Optional[str] = None
    chunk_rtf: Optional[float] = None

    @property
    def name(self) -> str:
        """Method and variant, for a legend."""
        return f"{self.method} {self.variant}".strip()

    @property
    def label(self) -> str:
        """Method, variant and size: what a row is called in a sentence."""
        return f"{self.name} {size_text(self.layers, self.size)}"

    @property
    def is_pruned(self) -> bool:
        """Whether weights were set to zero: such a model is as fast as a dense one."""
        if not self.params or self.params_nonzero is None:
            return False
        return self.params_nonzero < _PRUNED_BELOW * self.params

    @property
    def whole(self) -> Cost:
        """Cost of one model with the shared run counted in full."""
        return add_costs(self.own, self.shared)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "variant": self.variant,
            "layers": self.layers,
            "size": self.size,
            "seeds": list(self.seeds),
            "scored": self.scored,
            "kept": list(self.kept.names),
            "test_wer_mean": self.test_wer,
            "test_wer_min": self.wer_range[0] if self.wer_range else None,
            "test_wer_max": self.wer_range[1] if self.wer_range else None,
            "wer_ci95": _listed(self.wer_ci95),
            "wer_ci95_speakers": _listed(self.wer_ci95_speakers),
            "test_cer_mean": self.test_cer,
            "cer_ci95": _listed(self.cer_ci95),
            "dev_wer_mean": self.dev_wer,
            "dev_wer_ci95": _listed(self.dev_wer_ci95),
            "encoder_rtf_mean": self.encoder_rtf,
            "own_cost_mean": self.own,
            "whole_cost_mean": self.whole,
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
        groups.setdefault(_key(row), []).append(row)
    return [_group(key, members, runs) for key, members in groups.items()]


def of_references(
    group: Group, references: Iterable[str], results: Mapping[str, Any]
) -> Group:
    """Return a group as it were with the models of some references alone.

    Args:
        group: From `group_rows` of some of the rows of ``results``.
        references: Which to keep; scored models of the group learnt from them.
        results: Content of results.json.
    """
    shared = results.get("shared", [])
    runs, kept = {entry["name"]: entry for entry in shared}, set(references)
    key = group.method, group.variant, group.layers, group.size
    rows = [
        row
        for row in results["rows"]
        if _key(row) == key
        and row["seed"] in group.seeds
        and reference_of(row, runs) in kept
    ]
    return group_rows(rows, shared)[0]


def _key(row: Mapping) -> tuple:
    return row["method"], row.get("variant") or "", row["layers"], row_size(row)


def _group(key: tuple, rows: list[Mapping], runs: Mapping[str, Mapping]) -> Group:
    scored = [row for row in rows if row.get("test_wer") is not None]
    rates = [row["test_wer"] for row in scored]
    errors, words = _pool(scored, "test_errors_by_unit", "test_words_by_unit")
    chars = _pool(scored, "test_char_errors_by_unit", "test_chars_by_unit")
    on_dev = [row for row in rows if row.get("dev_wer") is not None]
    dev = _pool(on_dev, "dev_errors_by_unit", "dev_words_by_unit")
    speakers = _pool(scored, "test_errors_by_speaker", "test_words_by_speaker")
    loads = [row["rtf_load"] for row in rows if row.get("rtf_load") is not None]
    return Group(
        method=key[0],
        variant=key[1],
        layers=key[2],
        size=key[3],
        seeds=tuple(row["seed"] for row in rows),
        scored=len(scored),
        params=_mean(rows, "params"),
        params_nonzero=_mean(rows, "params_nonzero"),
        file_bytes=_mean(rows, "file_bytes"),
        test_wer=_mean(rows, "test_wer"),
        wer_range=(min(rates), max(rates)) if rates else None,
        wer_ci95=_interval(scored, "wer_ci95", errors, words),
        wer_ci95_speakers=_interval(scored, "wer_ci95_speakers", *speakers),
        test_words=scored[0].get("test_words") if scored else None,
        test_cer=_mean(rows, "test_cer"),
        cer_ci95=_interval(scored, "cer_ci95", *chars),
        dev_wer=_mean(rows, "dev_wer"),
        dev_wer_ci95=_interval(on_dev, "dev_wer_ci95", *dev),
        encoder_rtf=_mean(rows, "encoder_rtf"),
        rtf_load=max(loads, default=None),
        macs=_mean(rows, "macs_per_audio_second"),
        peak_memory_mb=_mean(rows, "peak_memory_mb"),
        own={cost: mean_cost([row.get(cost) for row in rows]) for cost in COST_KEYS},
        shared={
            cost: mean_cost(
                [runs_cost(run_names(row, runs), runs, cost) for row in rows]
            )
            for cost in COST_KEYS
        },
        has_shared=any(row.get("shared") for row in rows),
        unit_errors=errors,
        unit_words=words,
        test_sets=frozenset(row.get("test_set") for row in scored),
        dirs=tuple(row.get("dir", "") for row in rows),
        references=frozenset(reference_of(row, runs) for row in scored),
        kept=kept_of(rows, runs),
        mode=rows[0].get("mode"),
        chunk_rtf=_mean(rows, "chunk_rtf"),
    )


def _pool(
    scored: list[Mapping], errors_key: str, lengths_key: str
) -> tuple[Optional[np.ndarray], Optional[np.ndarray]]:
    """Mean errors over seeds and lengths, by unit; None if seeds cannot be pooled."""
    texts = {row.get(lengths_key) for row in scored}
    if len(texts) != 1 or None in texts:
        return None, None
    if len({row.get("test_set") for row in scored}) > 1:
        return None, None
    lengths = np.array(texts.pop().split(), dtype=float)
    errors = [np.array(row[errors_key].split(), dtype=float) for row in scored]
    return np.mean(errors, axis=0), lengths


def _interval(
    scored: list[Mapping],
    key: str,
    errors: Optional[np.ndarray],
    lengths: Optional[np.ndarray],
) -> Optional[Interval]:
    if len(scored) == 1:
        given = scored[0].get(key)
        return tuple(given) if given else None
    if errors is None or lengths is None:
        return None
    return _bootstrap_once(tuple(errors), tuple(lengths))


@lru_cache(maxsize=1024)
def _bootstrap_once(errors: tuple, lengths: tuple) -> Interval:
    """Every table and picture groups the same rows, and drawing takes a while."""
    return bootstrap_interval(errors, lengths)


def _listed(interval: Optional[Interval]) -> Optional[list[float]]:
    return list(interval) if interval else None


def _mean(rows: Iterable[Mapping], key: str) -> Optional[float]:
    known = [row[key] for row in rows if row.get(key) is not None]
    return float(np.mean(known)) if known else None
