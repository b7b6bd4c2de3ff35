"""Paired comparison of two groups of rows on the utterances that they share."""

import logging
from dataclasses import dataclass
from typing import Any, Mapping, Optional

import numpy as np

from espnet_plugin.results.group import Group
from espnet_plugin.results.row import TestSet
from espnet_plugin.score.bootstrap import PairedComparison, paired_bootstrap

__all__ = ["Comparison", "compare_groups"]


@dataclass(frozen=True)
class Comparison:
    """Two rows on the same utterances.

    Attributes:
        first: The baseline of the comparison.
        second: The group that is compared with it.
        result: Errors of the second relative to the first.
        common: Number of utterances compared, if not all of both sets.
        part: The models that were compared, in words; empty if all were.
    """

    first: Group
    second: Group
    result: PairedComparison
    common: Optional[int] = None
    part: str = ""

    @property
    def unit(self) -> str:
        """What was counted, ``words`` or ``characters``."""
        return "characters" if self.first.by_character else "words"

    @property
    def sentence(self) -> str:
        """The result in words."""
        labels = self.first.label, self.second.label
        sentence = self.result.sentence(*labels, self.unit)
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


def compare_groups(
    first: Group,
    second: Group,
    test_sets: Mapping[str, TestSet],
    intersection: bool = False,
) -> Optional[Comparison]:
    """Compare two groups by a paired bootstrap of their mean errors over seeds.

    Args:
        first: The baseline of the comparison.
        second: The group that is compared with it.
        test_sets: Test sets by their keys, for the names of the utterances.
        intersection: If the test sets differ, use the utterances that are in both with
            the same number of words; their number is logged.

    Returns:
        None if one has no score, or they have no test set in common.
    """
    ours, theirs = first.pooled, second.pooled
    if ours is None or theirs is None or first.by_character != second.by_character:
        return None
    known = None not in first.test_sets | second.test_sets
    same = not known or first.test_sets == second.test_sets
    if same and np.array_equal(ours.lengths, theirs.lengths):
        result = paired_bootstrap(ours.errors, theirs.errors, ours.lengths)
        return Comparison(first, second, result)
    if not (intersection and known):
        return None
    tables = [_by_utterance(group, test_sets) for group in (first, second)]
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
        "%s (%d utterances) and %s (%d) are compared on the %d utterances that have "
        "the same name and number of words in both",
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


def _by_utterance(
    group: Group, test_sets: Mapping[str, TestSet]
) -> Optional[dict[str, tuple[float, float]]]:
    """Return errors and words by utterance; None if the units are speakers."""
    if len(group.test_sets) != 1:
        return None
    names = test_sets[next(iter(group.test_sets))].names
    if len(names) != len(group.pooled.lengths):
        return None
    return dict(zip(names, zip(group.pooled.errors, group.pooled.lengths)))
