"""Which utterances are chosen, against choices made by hand."""

import math

import pytest

from espnet_plugin.data.selection import ScoreBook, Selection
from espnet_plugin.errors import UserError

NAMES = [f"u{i}" for i in range(10)]
# u0 is the easiest, u9 the hardest.
SCORES = {name: float(i) for i, name in enumerate(NAMES)}


def choose(criterion, epoch, keep=0.5, scores=SCORES, max_epoch=7, warmup=1, seed=3):
    selection = Selection(keep, criterion, warmup)
    return selection.choose(NAMES, scores, epoch, max_epoch, seed)


def test_known_choices():
    assert choose("easy", 2) == NAMES[:5]
    assert choose("hard", 5) == NAMES[5:]
    # Six epochs choose: the window moves from the easiest to the hardest in five steps.
    for epoch, first in zip(range(2, 8), range(6)):
        assert choose("easy2hard", epoch) == NAMES[first : first + 5]


@pytest.mark.parametrize("criterion", ["easy", "hard", "easy2hard", "random"])
def test_everything_at_first(criterion):
    assert choose(criterion, 1) == choose(criterion, 2, warmup=2) == NAMES
    assert choose(criterion, 4, keep=1.0) == NAMES


def test_random_is_another_choice_each_epoch_and_the_same_again():
    chosen = [choose("random", epoch) for epoch in range(2, 8)]
    assert all(len(one) == 5 for one in chosen)
    assert len({tuple(one) for one in chosen}) > 3
    assert chosen == [choose("random", epoch) for epoch in range(2, 8)]
    assert choose("random", 2, seed=4) != chosen[0]


def test_unknown_losses_count_as_hard_and_take_turns():
    known = {name: SCORES[name] for name in NAMES[:3]}
    chosen = [choose("easy", epoch, scores=known) for epoch in range(2, 8)]
    assert all(one[:3] == NAMES[:3] and len(one) == 5 for one in chosen)
    assert len({tuple(one) for one in chosen}) > 1


def test_one_choosing_epoch_takes_the_hardest():
    assert choose("easy2hard", 2, max_epoch=2) == NAMES[5:]


def test_at_least_one_utterance_and_one_batch():
    assert len(choose("easy", 2, keep=0.01)) == 1
    assert Selection(0.01).batches_of(20, 2) == 1
    assert Selection(0.7).batches_of(10, 2) == 7
    assert Selection(0.7).batches_of(10, 1) == 10


@pytest.mark.parametrize(
    "options, says",
    [
        ({"keep": 0.0}, "keep 0.0"),
        ({"keep": 1.1}, "keep 1.1"),
        ({"criterion": "best"}, "criterion 'best': must be one of easy, hard"),
        ({"warmup": 0}, "warmup 0"),
        ({"keep_time": 0.0}, "keep_time 0.0"),
        ({"keep_time": 1.5}, "keep_time 1.5"),
        ({"chunk_ms": 2}, "chunk_ms 2"),
    ],
)
def test_bad_options(options, says):
    with pytest.raises(UserError, match=says):
        Selection(**options)
    Selection(criterion="random", warmup=0)


def test_the_book_keeps_the_last_loss_and_survives_a_file(tmp_path):
    book = ScoreBook()
    book.update(["a", "b"], [1.0, float("nan")])
    book.update(["a"], [0.25])
    assert book.scores() == {"a": 0.25, "b": math.inf}
    book.save(tmp_path / "scores.json")
    other = ScoreBook()
    other.update(["c"], [1.0])
    other.load(tmp_path / "scores.json")
    assert other.scores() == book.scores()
