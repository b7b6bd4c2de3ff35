"""Best-path decoding against a slow, obvious one."""

import itertools
import math

import pytest
import torch

from espnet_plugin.decode.best_path import (
    Hypothesis,
    best_path,
    is_finished,
    write_hypotheses,
)


def decode_slowly(frames, length, blank=0):
    """Walk through one utterance frame by frame."""
    tokens, previous, score = [], None, 0.0
    for frame in frames[:length]:
        best = max(range(len(frame)), key=lambda token: frame[token])
        score += frame[best]
        if best != previous and best != blank:
            tokens.append(best)
        previous = best
    return tokens, score


def collapse(alignment, blank=0):
    return [token for token, _ in itertools.groupby(alignment) if token != blank]


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch, frames, vocab", [(1, 1, 3), (4, 30, 3), (7, 19, 9)])
def test_equals_a_loop_over_frames(batch, frames, vocab, seed, blank):
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(batch, frames, vocab, generator=generator).log_softmax(-1)
    lengths = torch.randint(0, frames + 1, (batch,), generator=generator)
    results = best_path(log_probs, lengths, blank=blank)
    assert len(results) == batch
    for row, length, (tokens, score) in zip(log_probs.tolist(), lengths, results):
        expected_tokens, expected_score = decode_slowly(row, int(length), blank)
        assert tokens == expected_tokens
        assert score == pytest.approx(expected_score, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_is_the_best_of_all_alignments(seed):
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(1, 5, 3, generator=generator).log_softmax(-1)
    scored = {
        alignment: sum(
            float(log_probs[0, t, token]) for t, token in enumerate(alignment)
        )
        for alignment in itertools.product(range(3), repeat=5)
    }
    best = max(scored, key=scored.get)
    ((tokens, score),) = best_path(log_probs, torch.tensor([5]))
    assert tokens == collapse(best)
    assert score == pytest.approx(scored[best], abs=1e-6)
    # And below the probability of the text, which sums over its alignments.
    total = sum(
        math.exp(value) for key, value in scored.items() if collapse(key) == tokens
    )
    assert math.exp(score) <= total + 1e-9


def test_a_repeat_needs_a_blank_between():
    alignment = [1, 1, 0, 1, 2, 2, 0, 0, 3]
    log_probs = torch.full((1, 9, 4), -9.0)
    log_probs[0, range(9), alignment] = -0.5
    ((tokens, score),) = best_path(log_probs, torch.tensor([9]))
    assert tokens == [1, 1, 2, 3]
    assert score == pytest.approx(-4.5)


@pytest.mark.parametrize("padding", [0, 1, 13])
def test_frames_after_the_length_do_not_count(padding):
    torch.manual_seed(1)
    log_probs = torch.randn(3, 12, 5).log_softmax(-1)
    lengths = torch.tensor([12, 3, 0])
    padded = torch.cat([log_probs, torch.full((3, padding, 5), 7.0)], dim=1)
    padded[1, 3:] = float("nan")
    assert best_path(padded, lengths) == [
        best_path(log_probs[i : i + 1, : max(int(n), 1)], lengths[i : i + 1])[0]
        for i, n in enumerate(lengths)
    ]
    assert best_path(padded, lengths)[2] == ([], 0.0)


def test_dropped_tokens_separate_nothing_new():
    log_probs = torch.full((1, 4, 4), -9.0)
    log_probs[0, range(4), [1, 3, 3, 2]] = -1.0
    ((tokens, _),) = best_path(log_probs, torch.tensor([4]), drop=[3])
    assert tokens == [1, 2]


def test_an_empty_batch():
    assert best_path(torch.zeros(0, 4, 3), torch.zeros(0, dtype=torch.long)) == []
    assert best_path(torch.zeros(2, 0, 3), torch.zeros(2).long()) == [([], 0.0)] * 2


@pytest.mark.parametrize(
    "shape, lengths, blank, message",
    [
        ((4, 3), [4], 0, "batch, frames, vocab"),
        ((2, 4, 3), [4], 0, "lengths must be"),
        ((1, 4, 3), [5], 0, "between 0 and the 4"),
        ((1, 4, 3), [-1], 0, "between 0 and the 4"),
        ((1, 4, 3), [4], 3, "blank 3"),
    ],
)
def test_refuses_what_does_not_fit(shape, lengths, blank, message):
    with pytest.raises(ValueError, match=message):
        best_path(torch.zeros(shape), torch.tensor(lengths), blank=blank)


def test_files_have_the_form_of_espnets_writer(tmp_path):
    from espnet2.fileio.datadir_writer import DatadirWriter

    utts = [
        Hypothesis("b", "GO ON", list("GO") + ["<space>"] + list("ON"), [9, 1], -1.25),
        Hypothesis("a", "", [], [], 0.0),
    ]
    write_hypotheses(tmp_path / "ours", utts)
    with DatadirWriter(tmp_path / "theirs") as writer:
        for utt in utts:
            writer["token"][utt.utt_id] = " ".join(utt.tokens)
            writer["token_int"][utt.utt_id] = " ".join(map(str, utt.token_ids))
            writer["score"][utt.utt_id] = str(utt.score)
            writer["text"][utt.utt_id] = utt.text
    files = {path.name: path.read_text() for path in (tmp_path / "ours").iterdir()}
    assert files == {
        path.name: path.read_text() for path in (tmp_path / "theirs").iterdir()
    }


def test_is_finished_only_with_all_files_and_not_before_the_model(tmp_path):
    import os

    model = tmp_path / "model.pth"
    model.touch()
    assert not is_finished(tmp_path / "out", model)
    write_hypotheses(tmp_path / "out", [Hypothesis("a", "", [], [], 0.0)])
    assert is_finished(tmp_path / "out", model)
    late = (tmp_path / "out" / "text").stat().st_mtime + 10
    os.utime(model, (late, late))
    assert not is_finished(tmp_path / "out", model)
