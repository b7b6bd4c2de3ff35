"""Which methods a picture shows: the main one and the rivals that compare with it."""

import pytest
from result_folders import make_results

from espnet_plugin.errors import UserError
from espnet_plugin.report.plots.choice import choose


def rows(name, rates, seeds=(1,)):
    """One row a size (6, 4) and seed; rates in percent."""
    method, _, variant = name.partition(" ")
    return [
        {
            "method": method,
            "variant": variant,
            "layers": layers,
            "seed": seed,
            "test_wer": rate,
        }
        for layers, rate in zip((6, 4), rates)
        for seed in seeds
    ]


def groups(*parts):
    return make_results([row for part in parts for row in part]).groups


def names(series):
    return [" ".join(one.key).strip() for one in series]


REFERENCE = [{"method": "reference", "layers": 12, "seed": 1, "test_wer": 8.0}]
MANY = (
    REFERENCE,
    rows("encrl", (10, 12), seeds=(1, 2)),
    # Better means, but over one seed, or of one size: they do not compare.
    *(rows(f"tuned v{n}", (5, 6)) for n in range(3)),
    rows("half", (4,), seeds=(1, 2)),
    *(rows(f"rival v{n}", (9 + n, 11 + n), seeds=(1, 2)) for n in range(6)),
    rows("failed", (40, 60), seeds=(1, 2)),
    rows("scratch", (30, 35), seeds=(1, 2)),
)


def test_from_scratch_and_the_best_that_compare():
    choice = choose(groups(*MANY))
    best = [f"rival v{n}" for n in range(4)]
    assert names(choice.shown) == ["reference", "encrl", "scratch", *best]
    assert set(names(choice.others)) == {
        *("tuned v0", "tuned v1", "tuned v2", "half", "rival v4", "rival v5", "failed"),
    }
    assert names(choice.beside) == ["encrl", "scratch"]
    assert "with the sizes and seeds of encrl" in choice.rule
    assert "at most 5 rivals" in choice.rule


def test_what_failed_is_no_rival_though_there_is_room():
    few = [*MANY[:5], *(rows(f"x{n}", (9, 9), (1, 2)) for n in range(2)), *MANY[-2:]]
    choice = choose(groups(*few))
    assert names(choice.shown) == ["reference", "encrl", "scratch", "x0", "x1"]
    assert "failed" in names(choice.others)


def test_seeds_do_not_matter_where_no_rival_has_the_same():
    parts = (
        rows("encrl", (10, 12), (1, 2)),
        *(rows(f"x{n}", (n, n)) for n in range(7)),
    )
    choice = choose(groups(*parts))
    assert names(choice.shown) == ["encrl", "x0", "x1", "x2", "x3", "x4"]
    assert "with the sizes of encrl" in choice.rule


def test_few_are_all_shown_and_need_no_rule():
    choice = choose(groups(REFERENCE, rows("b", (9, 9)), rows("a", (8, 8), (1, 2))))
    # No EncRL: the main one is that with the most models.
    assert names(choice.shown) == ["reference", "a", "b"]
    assert choice.others == () and choice.rule == ""


def test_rivals_can_be_named():
    choice = choose(groups(*MANY), ["tuned v2", "failed"])
    assert names(choice.shown) == ["reference", "encrl", "tuned v2", "failed"]
    assert "--rivals" in choice.rule
    with pytest.raises(UserError, match="tuned v9.*'tuned v1'"):
        choose(groups(*MANY), ["tuned v9"])
    with pytest.raises(UserError, match="6 are given.*at most 5"):
        choose(groups(*MANY), [f"rival v{n}" for n in range(6)])


def test_shown_methods_have_colours_of_their_own():
    choice = choose(groups(*MANY))
    styles = [choice.styles[one.key] for one in choice.shown]
    assert len(set(styles)) == len(styles)
    assert choice.styles["encrl", ""][0] == "#0072B2"
