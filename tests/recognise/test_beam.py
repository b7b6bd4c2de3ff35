"""The beam search against all alignments of tiny cases, written out."""

from itertools import product

import numpy as np
import pytest

from espnet_plugin.recognise.beam import prefix_beam_search
from espnet_plugin.recognise.hotwords import Hotwords, Phrase
from espnet_plugin.recognise.vocabulary import Vocabulary

WIDE = 10**6


def random_log_probs(seed, frames, vocabulary, sharpness=1.5):
    logits = sharpness * np.random.default_rng(seed).standard_normal(
        (frames, vocabulary)
    )
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def collapse(path, blank):
    """Remove repeats, then blanks."""
    tokens = [t for i, t in enumerate(path) if i == 0 or t != path[i - 1]]
    return tuple(token for token in tokens if token != blank)


def all_sequences(log_probs, blank, never=()):
    """Add up the probability of every alignment of every sequence."""
    frames, vocabulary = log_probs.shape
    totals = {}
    for path in product(range(vocabulary), repeat=frames):
        if set(path) & set(never):
            continue
        probability = np.exp(sum(log_probs[t, token] for t, token in enumerate(path)))
        tokens = collapse(path, blank)
        totals[tokens] = totals.get(tokens, 0.0) + probability
    return totals


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("frames, vocabulary, blank", [(5, 3, 0), (4, 4, 2), (6, 2, 1)])
def test_with_a_wide_beam_every_sequence_is_exact(seed, frames, vocabulary, blank):
    log_probs = random_log_probs(seed, frames, vocabulary)
    expected = all_sequences(log_probs, blank)
    found = prefix_beam_search(log_probs, blank, WIDE, min_log_prob=-np.inf)
    got = {item.token_ids: np.exp(item.log_probability) for item in found}
    assert got == pytest.approx(expected)
    assert sum(got.values()) == pytest.approx(1.0)
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)


def test_a_token_that_no_text_may_hold(seed=3):
    log_probs = random_log_probs(seed, 5, 4)
    expected = all_sequences(log_probs, 0, never=[3])
    found = prefix_beam_search(log_probs, 0, WIDE, never=[3], min_log_prob=-np.inf)
    got = {item.token_ids: np.exp(item.log_probability) for item in found}
    assert got == pytest.approx(expected)


def test_it_is_better_than_the_best_path_where_alignments_add_up():
    """Graves et al., section 3.2: the blank wins every frame, "a" wins the sum."""
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])
    best, second = prefix_beam_search(log_probs, 0, 4)
    assert best.token_ids == (1,) and np.exp(best.log_probability) == pytest.approx(
        0.64
    )
    assert second.token_ids == ()
    assert np.exp(second.log_probability) == pytest.approx(0.36)


@pytest.mark.parametrize("seed", range(6))
def test_what_a_narrow_beam_finds_is_a_lower_bound(seed):
    log_probs = random_log_probs(seed, 7, 4, sharpness=3)
    exact = all_sequences(log_probs, 0)
    found = prefix_beam_search(log_probs, 0, 3)
    assert len(found) <= 3
    for item in found:
        assert np.exp(item.log_probability) <= exact[item.token_ids] * (1 + 1e-9)


def slow_bonus(text, phrases):
    """Look each phrase up at each word."""
    words, total = text.split(), 0.0
    for phrase in phrases:
        wanted = phrase.text.split()
        for start in range(len(words)):
            if words[start : start + len(wanted)] == wanted:
                total += phrase.weight * len(phrase.text)
    return total


CHARS = Vocabulary(("<blank>", "<space>", "A", "B"), "char")
PIECES = Vocabulary(("<blank>", "\u2581A", "\u2581", "A", "B", "AB"), "bpe")
PHRASES = (
    [Phrase("AB", 1.5)],
    [Phrase("A", 0.7), Phrase("A B", 0.9), Phrase("B", 0.2)],
    [Phrase("AA", 2.0), Phrase("AAB", 0.5), Phrase("B A", 1.0)],
)


@pytest.mark.parametrize("phrases", PHRASES)
@pytest.mark.parametrize("vocabulary, frames", [(CHARS, 5), (PIECES, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_contextual_words_against_every_sequence(seed, vocabulary, frames, phrases):
    log_probs = random_log_probs(seed, frames, len(vocabulary.tokens))
    exact = all_sequences(log_probs, 0)
    found = prefix_beam_search(
        log_probs, 0, WIDE, Hotwords(phrases, vocabulary), min_log_prob=-np.inf
    )
    expected = {
        tokens: np.log(probability) + slow_bonus(vocabulary.text(tokens), phrases)
        for tokens, probability in exact.items()
    }
    assert {item.token_ids: item.score for item in found} == pytest.approx(expected)
    assert found[0].token_ids == max(expected, key=expected.get)


def test_only_the_most_probable_tokens_are_tried():
    log_probs = random_log_probs(1, 5, 6)
    third = np.sort(log_probs[:, 1:], axis=1)[:, -3]
    log_probs[:, 1:][log_probs[:, 1:] < third[:, None]] = -np.inf
    expected = all_sequences(log_probs, 0)
    full = random_log_probs(1, 5, 6)
    found = prefix_beam_search(full, 0, WIDE, min_log_prob=-np.inf, max_tokens=3)
    # Repeating the last token is not trying one, so it is a little more.
    for item in found:
        assert np.exp(item.log_probability) >= expected[item.token_ids] * (1 - 1e-9)
    assert {item.token_ids for item in found} == {t for t, p in expected.items() if p}


def test_without_frames_or_with_impossible_options():
    assert [h.token_ids for h in prefix_beam_search(np.zeros((0, 3)))] == [()]
    with pytest.raises(ValueError, match="beam_size 0"):
        prefix_beam_search(np.zeros((2, 3)), beam_size=0)
    with pytest.raises(ValueError, match="blank 3"):
        prefix_beam_search(np.zeros((2, 3)), blank=3)
    with pytest.raises(ValueError, match="must be"):
        prefix_beam_search(np.zeros(3))
