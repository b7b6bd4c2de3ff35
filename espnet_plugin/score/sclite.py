"""Explain why sclite's error rate differs from that of the fewest errors.

Four reasons are known (findings/sclite_words.sh, findings/sclite_costs.sh): sclite does
not distinguish A and a, ignores what follows a semicolon, reads ``{ a / b }`` as
alternatives, and aligns with its own costs. Each is tried, alone and with others.
"""

from itertools import combinations
from typing import Callable, Sequence

__all__ = ["explain", "weighted_errors"]

# sclite's costs of a substitution, and of a deletion or insertion.
_SUBSTITUTION, _GAP = 4, 3
# sclite prints one digit.
_ROUNDING_POINTS = 0.1

_Pairs = Sequence[tuple[str, str]]

_CASE = "upper and lower case are different words here, but not for sclite"
_COSTS = (
    "sclite uses the alignment with the lowest cost, where a substitution costs 4 "
    "and a deletion or insertion 3; here the alignment with the fewest errors is used"
)
_COMMENT = "sclite ignores what follows a semicolon in a word"
_BRACES = "sclite reads braces as alternatives, { a / b }; here they are words"


def explain(theirs: float, pairs: _Pairs, by_character: bool = False) -> str:
    """Describe why sclite's error rate differs.

    Args:
        theirs: sclite's error rate in percent.
        pairs: Reference and hypothesis of each utterance.
        by_character: Whether the rate counts characters.

    Returns:
        The smallest combination of reasons that gives sclite's rate, or a sentence that
        no combination does.
    """
    habits: dict[str, Callable[[str], str]] = {_CASE: _fold, _COMMENT: _cut}
    for number in (1, 2, 3):
        for chosen in combinations((_CASE, _COSTS, _COMMENT), number):
            changed = pairs
            for name in chosen:
                if name in habits:
                    changed = [tuple(map(habits[name], pair)) for pair in changed]
            rate = _rate(changed, by_character, _COSTS in chosen)
            if rate is not None and abs(rate - theirs) <= _ROUNDING_POINTS:
                return "; ".join(chosen)
    if any("{" in text for pair in pairs for text in pair):
        return _BRACES
    return (
        "neither letter case nor sclite's costs explain the difference; check that "
        "result.txt was made from the same ref.trn and hyp.trn"
    )


def _fold(text: str) -> str:
    # sclite only folds A to Z.
    return "".join(c.lower() if c.isascii() else c for c in text)


def _cut(text: str) -> str:
    return " ".join(word.split(";")[0] for word in text.split())


def _rate(pairs: _Pairs, by_character: bool, weighted: bool):
    split = list if by_character else str.split
    errors = length = 0
    costs = (_SUBSTITUTION, _GAP) if weighted else (1, 1)
    for reference, hypothesis in pairs:
        a, b = split(reference), split(hypothesis)
        length += len(a)
        if a != b:
            errors += weighted_errors(a, b, *costs)
    return 100.0 * errors / length if length else None


def weighted_errors(
    reference: Sequence[str], hypothesis: Sequence[str], substitution: int, gap: int
) -> int:
    """Return the errors of the alignment with the lowest cost, at ties the fewest.

    Args:
        reference: Words or characters.
        hypothesis: Words or characters.
        substitution: Cost of a substitution.
        gap: Cost of a deletion or an insertion.
    """
    row = [(gap * n, n) for n in range(len(hypothesis) + 1)]
    for i, wanted in enumerate(reference, 1):
        previous, row = row, [(gap * i, i)]
        for j, given in enumerate(hypothesis, 1):
            cost, errors = previous[j - 1]
            if wanted != given:
                cost, errors = cost + substitution, errors + 1
            best = (cost, errors)
            for cost, errors in (previous[j], row[j - 1]):
                best = min(best, (cost + gap, errors + 1))
            row.append(best)
    return row[-1][1]
