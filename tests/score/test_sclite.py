"""Each habit of sclite that makes another rate is named, and no other one."""

import jiwer
import numpy as np
import pytest

from espnet_plugin.score.sclite import explain, weighted_errors

COSTS = (
    "one two three four five go now please",
    "three five one one one go now please",
)


def test_the_example_of_the_finding():
    a, b = (text.split() for text in COSTS)
    # findings/sclite_costs.sh: sclite 2.4.10 counts six errors, five are fewest.
    assert weighted_errors(a, b, 4, 3) == 6 and weighted_errors(a, b, 1, 1) == 5
    assert "a substitution costs 4" in explain(75.0, [COSTS])


def test_equal_costs_give_jiwers_count():
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = (list(rng.choice(list("abcd"), rng.integers(1, 12))) for _ in range(2))
        best = jiwer.process_words(" ".join(a), " ".join(b))
        errors = best.substitutions + best.deletions + best.insertions
        assert weighted_errors(a, b, 1, 1) == errors <= weighted_errors(a, b, 4, 3)


@pytest.mark.parametrize(
    "theirs, pairs, named",
    [
        (0.0, [("Turn left", "turn LEFT")], "case"),
        (0.0, [("Äh left", "äh left")], "neither"),  # sclite folds no umlauts
        (0.0, [("a;x b", "a;y b")], "semicolon"),
        (14.3, [("{ a / b } c d e f", "a c d e f g")], "braces"),
        (40.0, [("a b", "a c")], "neither letter case nor"),
    ],
)
def test_what_is_named(theirs, pairs, named):
    assert named in explain(theirs, pairs)


def test_two_habits_at_once():
    said = explain(75.0, [(COSTS[0].upper(), COSTS[1])])
    assert "case" in said and "a substitution costs 4" in said


def test_characters():
    assert "case" in explain(0.0, [("Ab", "aB")], by_character=True)
