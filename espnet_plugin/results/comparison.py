"""Paired comparisons of rows: which ones, on which utterances, and in which words."""

import logging
from dataclasses import dataclass, replace
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.results.aggregate import Group, group_rows, of_references
from espnet_plugin.results.kept import KEPT_MARK
from espnet_plugin.score.bootstrap import PairedComparison, paired_bootstrap

__all__ = ["Comparison", "compare_all", "compare_groups", "find_row", "same_size"]

_SAME_SIZE = 1.1
# No baselines: the teacher of all, and controls that must not help.
_NO_BASELINE = ("reference", "untrained")


@dataclass(frozen=True)
class Comparison:
    """Two rows on the same utterances.

    Attributes:
        first: The one that is compared with.
        second: The one that is compared.
        result: The second's errors against the first's.
        common: On how many utterances, if not on the whole set of each.
        part: Which of their models were compared, in words; empty if all.
    """

    first: Group
    second: Group
    result: PairedComparison
    common: Optional[int] = None
    part: str = ""

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        sentence = self.result.sentence(self.first.label, self.second.label)
        if self.common is not None:
            sentence += f"; on the {self.common} utterances that both were scored on"
        if self.part:
            sentence += (
                f"; {self.part} alone, so that both learnt from the same references"
            )
        return sentence

    def to_dict(self) -> dict[str, Any]:
        return {
            "first": self.first.label,
            "second": self.second.label,
            "difference": self.result.difference,
            "ci95": list(self.result.ci95),
            "p_value": self.result.p_value,
            "words": self.result.words,
            "common_utterances": self.common,
            "part": self.part,
            "sentence": self.sentence,
        }


def compare_all(
    results: Mapping[str, Any],
    named: Sequence[tuple[str, str]] = (),
    intersection: bool = False,
) -> list[Comparison]:
    """Make the comparisons that are asked for, then those that are always made.

    Those are every model against the plain one from scratch of its size, and EncRL
    (its first variant) against every other baseline of its size (see `same_size`) and
    against the reference.
    Where one cannot be made, because a score is not there yet, it is left out.

    Of two rows that learnt from different references, the models of common ones are
    compared, if there are any: the rest would compare references.

    Args:
        results: Content of results.json.
        named: Pairs of rows, see `find_row`; the second is compared with the first.
        intersection: Compare on common utterances where the test sets differ.

    Raises:
        UserError: If a named row is not there, or a named pair cannot be compared.
    """
    groups = group_rows(results["rows"], results.get("shared", []))
    made, asked = [], set()
    for one, other in named:
        pair = find_row(results, one), find_row(results, other)
        asked.add(_names(pair))
        compared = _compare(*pair, results, intersection)
        if compared is None:
            raise UserError(
                f"--compare {one!r} {other!r}: {_why_not(*pair)}"
                f"{'' if intersection else ', or give --intersection'}"
            )
        made.append(compared)
    for pair in _default_pairs(groups):
        if _names(pair) in asked:
            continue
        compared = _compare(*pair, results, intersection)
        if compared is not None:
            made.append(compared)
    return made


def _compare(
    first: Group, second: Group, results: Mapping[str, Any], intersection: bool
) -> Optional[Comparison]:
    """`compare_groups`, of models that learnt from the same references."""
    common = (first.references & second.references) - {None}
    known = None not in first.references | second.references
    if not (common and known) or first.references == second.references:
        return compare_groups(first, second, results, intersection)
    pair = [of_references(group, common, results) for group in (first, second)]
    compared = compare_groups(*pair, results, intersection)
    names, what = sorted(common), "reference"
    if pair[0].seeds == pair[1].seeds:
        names, what = [str(seed) for seed in pair[0].seeds], "seed"
    part = f"{what}{'s' * (len(names) > 1)} {', '.join(names)}"
    return compared and replace(compared, part=part)


def find_row(results: Mapping[str, Any], name: str) -> Group:
    """Find a row of the tables by its name.

    Args:
        results: Content of results.json.
        name: Method, variant and layers as they stand in the table, with a space
            between (a variant of ``-`` may be left out): ``scratch 6``,
            ``magnitude 12 as 6``. Or a model's
            folder, for one seed alone: ``asr_scratch_s1_6l``.

    Raises:
        UserError: If there is none, listing all.
    """
    shared = results.get("shared", [])
    words = [word for word in name.split() if word not in ("-", KEPT_MARK)]
    groups = group_rows(results["rows"], shared)
    for group in groups:
        if group.label.split() == words:
            return group
    for row in results["rows"]:
        if row.get("dir") == name:
            return group_rows([row], shared)[0]
    raise UserError(
        f"--compare {name!r}: there is no such row; choose from "
        f"{', '.join(repr(group.label) for group in groups)}, or name a model's folder"
    )


def compare_groups(
    first: Group,
    second: Group,
    results: Optional[Mapping[str, Any]] = None,
    intersection: bool = False,
) -> Optional[Comparison]:
    """Paired bootstrap of two groups' mean errors over seeds.

    Args:
        first: Which is compared with.
        second: Which is compared.
        results: Content of results.json, for the names of the utterances.
        intersection: Where the test sets differ, take the utterances that are in both
            with as many words; how many these are is logged.

    Returns:
        None if one has no score, or they have no test set in common.
    """
    if first.unit_words is None or second.unit_words is None:
        return None
    known = None not in first.test_sets | second.test_sets
    same = not known or first.test_sets == second.test_sets
    if same and np.array_equal(first.unit_words, second.unit_words):
        errors = first.unit_errors, second.unit_errors
        return Comparison(
            first, second, paired_bootstrap(*errors, first.unit_words), None
        )
    if not (intersection and known and results is not None):
        return None
    tables = [_by_utterance(group, results["test_sets"]) for group in (first, second)]
    if None in tables:
        return None
    common = [
        name
        for name, (_, words) in tables[0].items()
        if name in tables[1] and tables[1][name][1] == words
    ]
    if not any(tables[0][name][1] for name in common):
        return None
    logging.warning(
        "%s (%d utterances) and %s (%d) are compared on the %d utterances of the same "
        "name and number of words",
        first.label,
        len(tables[0]),
        second.label,
        len(tables[1]),
        len(common),
    )
    result = paired_bootstrap(
        [tables[0][name][0] for name in common],
        [tables[1][name][0] for name in common],
        [tables[0][name][1] for name in common],
    )
    return Comparison(first, second, result, len(common))


def same_size(group: Group, others: Iterable[Group]) -> Optional[Group]:
    """Find the first of ``others`` that is as large: the plain variant stands first.

    As large is within 10 % of its parameters that are not zero (all, where these are
    not known). One of the same size in layers goes before the rest, and where
    parameters are not known that decides alone.
    """
    fitting = [other for other in others if _ratio(group, other) < _SAME_SIZE]
    for other in fitting:
        if other.size == group.size:
            return other
    return next((other for other in fitting if _ratio(group, other) >= 1.0), None)


def _ratio(first: Group, second: Group) -> float:
    """Larger size by smaller; 0 where not known but of one size in layers."""
    sizes = [one.params_nonzero or one.params for one in (first, second)]
    if None in sizes:
        return 0.0 if first.size == second.size else np.inf
    return max(sizes) / min(sizes) if min(sizes) else np.inf


def _names(pair: tuple[Group, Group]) -> tuple:
    return tuple((group.label, group.seeds) for group in pair)


def _default_pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    scratch = [group for group in groups if group.method == "scratch"]
    encrl = [group for group in groups if group.method == "encrl"]
    pairs = [
        (same_size(group, scratch), group)
        for group in groups
        if group.method not in ("scratch", "reference")
    ]
    pairs += [
        (group, same_size(group, encrl))
        for group in groups
        if not group.method.startswith("encrl") and group.method not in _NO_BASELINE
    ]
    reference = next((group for group in groups if group.method == "reference"), None)
    pairs += [
        (reference, group) for group in encrl if group.variant == encrl[0].variant
    ]
    known = [pair for pair in pairs if None not in pair]
    # EncRL against plain scratch is in both.
    return list({(id(a), id(b)): (a, b) for a, b in known}.values())


def _by_utterance(
    group: Group, test_sets: Mapping[str, Mapping]
) -> Optional[dict[str, tuple[float, float]]]:
    """Errors and words of each utterance; None where the units are speakers."""
    if len(group.test_sets) != 1:
        return None
    names = test_sets[next(iter(group.test_sets))]["names"].split()
    if len(names) != len(group.unit_words):
        return None
    return dict(zip(names, zip(group.unit_errors, group.unit_words)))


def _why_not(first: Group, second: Group) -> str:
    for group in (first, second):
        if not group.scored:
            return f"{group.label} has no test score: decode and score it"
        if group.unit_words is None:
            return (
                f"{group.label} has no errors by utterance of one test set: score all "
                "its seeds on one set"
            )
    return "they are scored on different test sets: score both on one"
