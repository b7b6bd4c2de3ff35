"""Choose the rows that are compared: requested pairs, and pairs by default."""

from dataclasses import replace
from typing import Iterable, Optional, Sequence

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.results.comparison import Comparison, compare_groups
from espnet_plugin.results.group import Group, make_group
from espnet_plugin.results.results import Results
from espnet_plugin.results.retained import RETAINED_MARK
from espnet_plugin.results.shared_run import reference_of

__all__ = ["compare_all", "find_row", "same_size"]

_SAME_SIZE = 1.1
# Not baselines: the teacher of all models, and untrained controls.
_NO_BASELINE = ("reference", "untrained")


def compare_all(
    results: Results,
    named: Sequence[tuple[str, str]] = (),
    intersection: bool = False,
) -> tuple[Comparison, ...]:
    """Make the requested comparisons, then the default ones.

    By default every model is compared with the plain one trained from scratch of its
    size, and EncRL (its first variant) with every other baseline of its size (see
    `same_size`) and with the reference. Default comparisons without a score are left
    out.

    If two rows learnt from different sets of references, only models with common
    references are compared, if there are any, because the others would compare
    references.

    Args:
        results: All rows.
        named: Pairs of rows, see `find_row`; the second is compared with the first.
        intersection: Whether rows with different test sets are compared on common
        utterances.

    Raises:
        UserError: If a named row does not exist, or a named pair cannot be compared.
    """
    made, asked = [], set()
    for one, other in named:
        pair = find_row(results, one), find_row(results, other)
        if len(set(_names(pair))) == 1:
            raise UserError(f"--compare {one!r} {other!r}: is one row; name two")
        # The opposite direction says the same.
        asked.add(frozenset(_names(pair)))
        compared = _compare(*pair, results, intersection)
        if compared is None:
            raise UserError(
                f"--compare {one!r} {other!r}: {_why_not(*pair)}"
                f"{'' if intersection else ', or give --intersection'}"
            )
        made.append(compared)
    for pair in _default_pairs(results.groups):
        if frozenset(_names(pair)) in asked:
            continue
        compared = _compare(*pair, results, intersection)
        if compared is not None:
            made.append(compared)
    return tuple(made)


def find_row(results: Results, name: str) -> Group:
    """Find a row of the tables by its name.

    Args:
        results: All rows.
        name: Method, variant and layers as in the table, separated by spaces (a variant
            of ``-`` may be left out): ``scratch 6``, ``magnitude 12 as 6``. Or a
            model's folder, for a single seed: ``asr_scratch_s1_6l``.

    Raises:
        UserError: If it does not exist; the message lists all rows.
    """
    words = [word for word in name.split() if word not in ("-", RETAINED_MARK)]
    for group in results.groups:
        if group.label.split() == words:
            return group
    for row in results.rows:
        if row.identity.folder == name:
            return make_group([row], results.runs)
    names = ", ".join(repr(group.label) for group in results.groups)
    raise UserError(
        f"--compare {name!r}: there is no such row; choose from {names}, or give a "
        "model's folder"
    )


def same_size(group: Group, others: Iterable[Group]) -> Optional[Group]:
    """Find the first group of ``others`` with the same size.

    Groups have the same size if their numbers of non-zero parameters (or of all
    parameters, if these are not known) differ by less than 10 %. A group with the same
    size in layers is preferred, and is the only choice if parameters are not known.
    """
    fitting = [other for other in others if _ratio(group, other) < _SAME_SIZE]
    for other in fitting:
        if other.shape == group.shape:
            return other
    return next((other for other in fitting if _ratio(group, other) >= 1.0), None)


def _ratio(first: Group, second: Group) -> float:
    """Return the ratio of sizes, at least 1; if not known, 0 for equal layers."""
    sizes = [one.params_nonzero or one.params for one in (first, second)]
    if None in sizes:
        return 0.0 if first.shape == second.shape else np.inf
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
    # The comparison of EncRL with plain scratch is in both lists.
    return list({(id(a), id(b)): (a, b) for a, b in known}.values())


def _compare(
    first: Group, second: Group, results: Results, intersection: bool
) -> Optional[Comparison]:
    """Compare two groups, using only models that learnt from common references."""
    common = (first.references & second.references) - {None}
    known = None not in first.references | second.references
    if not (common and known) or first.references == second.references:
        return compare_groups(first, second, results.test_sets, intersection)
    pair = [_of_references(group, common, results) for group in (first, second)]
    compared = compare_groups(*pair, results.test_sets, intersection)
    names, what = sorted(common), "reference"
    if pair[0].seeds == pair[1].seeds:
        names, what = [str(seed) for seed in pair[0].seeds], "seed"
    part = f"{what}{'s' * (len(names) > 1)} {', '.join(names)}"
    return compared and replace(compared, part=part)


def _of_references(group: Group, references: frozenset, results: Results) -> Group:
    """Return the part of a group whose models learnt from some references."""
    rows = [r for r in group.rows if reference_of(r, results.runs) in references]
    return make_group(rows, results.runs)


def _why_not(first: Group, second: Group) -> str:
    for group in (first, second):
        if not group.scored:
            return f"{group.label} has no test score: decode and score it"
        if group.pooled is None:
            return (
                f"{group.label} has no errors per utterance on a single test set: "
                "score all its seeds on the same set"
            )
    return "they are scored on different test sets: score both on the same set"
