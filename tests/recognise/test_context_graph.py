"""A graph with contextual words finds what trying every path finds."""

import itertools

import numpy as np
import pytest
from graph_paths import collapsed, viterbi

from espnet_plugin.errors import UserError
from espnet_plugin.recognise import context_graph as module
from espnet_plugin.recognise.context_graph import context_graph
from espnet_plugin.recognise.hotwords import Hotwords, Phrase
from espnet_plugin.recognise.vocabulary import Vocabulary

LETTERS = Vocabulary(("<blank>", "<unk>", "<space>", "A", "B", "<sos/eos>"), "char")
PIECES = Vocabulary(("<blank>", "<unk>", "\u2581A", "\u2581", "B"), "bpe")
IDEOGRAPHS = Vocabulary(("<blank>", "<unk>", "中", "国", "人"), "char")
LISTS = {
    "one": (LETTERS, {"AB": 1.0}),
    "one begins with the other": (LETTERS, {"A": 0.7, "A B": 1.1, "AB": 0.4}),
    "overlapping": (LETTERS, {"A B": 1.3, "B A": 1.2}),
    "pieces": (PIECES, {"AB": 0.9, "A AB": 0.8}),
    "no spaces": (IDEOGRAPHS, {"中国": 1.5, "国": 0.6, "中国人": 0.9}),
}


def bonus_of(text, phrases, spaced):
    """A phrase counts wherever it is in the text as whole words."""
    around = f" {' '.join(text.split())} " if spaced else text
    total = 0.0
    for phrase, weight in phrases.items():
        wanted = f" {phrase} " if spaced else phrase
        places = range(len(around))
        total += (
            sum(around.startswith(wanted, n) for n in places) * weight * len(phrase)
        )
    return total


def best_of_all(log_probs, vocabulary, phrases):
    """Try every path of tokens; return the score and text of the best one."""
    usable = [0] + [n for n, piece in enumerate(vocabulary.pieces) if piece and n > 1]
    spaced = vocabulary is not IDEOGRAPHS
    found = []
    for path in itertools.product(usable, repeat=len(log_probs)):
        text = "".join(vocabulary.pieces[token] for token in collapsed(path))
        score = sum(row[token] for row, token in zip(log_probs, path))
        found.append((score + bonus_of(text, phrases, spaced), text))
    return max(found)


@pytest.mark.parametrize("rows, even", [(1, False), (1, True), (2, True), (3, True)])
@pytest.mark.parametrize("name", LISTS)
def test_the_best_path_is_that_of_all_paths(name, rows, even):
    vocabulary, phrases = LISTS[name]
    hotwords = Hotwords([Phrase(t, w) for t, w in phrases.items()], vocabulary, even)
    count = len(vocabulary.tokens)
    graph = context_graph(hotwords, count, 0, vocabulary.silent | {1}, rows)
    changed = 0
    for seed in range(6):
        logits = np.random.default_rng(seed).normal(0, 1.5, (6, count))
        log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        score, path = viterbi(graph, np.repeat(log_probs, rows, axis=0))
        expected, text = best_of_all(log_probs, vocabulary, phrases)
        said = "".join(vocabulary.pieces[token] for token in collapsed(path))
        assert score == pytest.approx(rows * expected) and said == text
        changed += best_of_all(log_probs, vocabulary, {})[1] != text
    assert changed > 0  # the phrases do something


def test_a_graph_that_would_be_too_large(monkeypatch):
    monkeypatch.setattr(module, "_MOST_ARCS", 20)
    with pytest.raises(UserError, match="more than 20 arcs with 6 tokens"):
        context_graph(Hotwords([Phrase("AB", 1.0)], LETTERS), 6, 0)
