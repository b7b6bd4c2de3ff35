"""Summarise the results for each size in one sentence."""

from typing import Optional

from espnet_plugin.results.family import Family
from espnet_plugin.results.group import Group
from espnet_plugin.results.results import Results
from espnet_plugin.score.bootstrap import PairedComparison
from espnet_plugin.shape import Shape, largest_first

__all__ = ["size_sentences"]

_METHOD, _AGAINST = "encrl", "scratch"


def size_sentences(results: Results) -> list[str]:
    """Return a sentence for each size that exists for EncRL and training from scratch.

    Two more sentences name the smallest model that is as good as the reference, as far
    as is known, and compare the costs of the two families. Only rows without a variant
    are used: the recipe's standard method and its main baseline.

    Args:
        results: All rows; rows without a score on the test set are left out.

    Returns:
        The sentences; empty if there is no such size.
    """
    ours, theirs = _by_size(results, _METHOD), _by_size(results, _AGAINST)
    sizes = largest_first(set(ours) & set(theirs))
    compared = {
        one.second.shape: one.result
        for one in results.comparisons
        if (one.first, one.second)
        == (theirs.get(one.second.shape), ours.get(one.second.shape))
    }
    sentences = [
        _sentence(size, ours[size], theirs[size], compared.get(size)) for size in sizes
    ]
    more = (_smallest(results, ours), _cost_sentence(results)) if sentences else ()
    return [*sentences, *filter(None, more)]


def _by_size(results: Results, method: str) -> dict[Shape, Group]:
    return {
        group.shape: group
        for group in results.groups
        if (group.method, group.variant) == (method, "") and group.test_wer is not None
    }


def _sentence(
    size: Shape, ours: Group, theirs: Group, compared: Optional[PairedComparison]
) -> str:
    gap = ours.test_wer - theirs.test_wer
    verdict = "as many errors"
    if abs(gap) >= 0.05:  # visible in figures with one digit
        verdict = "fewer errors" if gap < 0 else "MORE errors"
        if compared is not None and compared.ci95[0] <= 0 <= compared.ci95[1]:
            # The interval includes zero.
            verdict += ", but no significant difference"
    return (
        f"{size.in_words}: EncRL gets {ours.test_wer:.1f} % of the words wrong, "
        f"training from scratch {theirs.test_wer:.1f} %: {verdict}."
    )


def _smallest(results: Results, ours: dict[Shape, Group]) -> Optional[str]:
    """Name the smallest size that is not shown to be worse than the reference."""
    against = {
        one.second.shape: (one.first, one.result)
        for one in results.comparisons
        if one.first.method == "reference" and one.second == ours.get(one.second.shape)
    }
    for size in reversed(largest_first(set(against))):
        reference, result = against[size]
        if result.ci95[0] <= 0:
            return (
                f"The smallest EncRL model that is not shown to have more errors than "
                f"the reference ({reference.test_wer:.1f} %) is that of "
                f"{size.in_words} ({ours[size].test_wer:.1f} %)."
            )
    if not against:
        return None
    return "All EncRL models have significantly more errors than the reference."


def _cost_sentence(results: Results) -> Optional[str]:
    ours, theirs = _family(results, _METHOD), _family(results, _AGAINST)
    if ours is None or theirs is None or ours.sizes != theirs.sizes:
        return None
    ratios = [
        f"{one / other:.2f} of the {name}"
        for name, one, other in (
            ("operations", ours.whole.flops, theirs.whole.flops),
            # Not wall-clock time, which also depends on other work on the machine.
            ("processor time", ours.whole["cpu_seconds"], theirs.whole["cpu_seconds"]),
        )
        if one and other
    ]
    if not ratios:
        return None
    cost = " and ".join(ratios)
    return (
        f"All {len(ours.sizes)} sizes by EncRL took {cost}, compared with training "
        "from scratch."
    )


def _family(results: Results, method: str) -> Optional[Family]:
    for family in results.families:
        if (family.method, family.variant) == (method, ""):
            return family
    return None
