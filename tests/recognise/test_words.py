"""Alignment against torchaudio's and against all alignments; times of frames."""

from itertools import product

import numpy as np
import pytest
import torch
from torchaudio.functional import forced_align

from espnet_plugin.recognise.words import FrameTimes, TokenSpan, align


def random_log_probs(seed, frames, vocabulary):
    logits = torch.randn(
        frames, vocabulary, generator=torch.Generator().manual_seed(seed)
    )
    return (2 * logits).log_softmax(-1)


def as_path(spans, frames, blank):
    path = [blank] * frames
    for span in spans:
        path[span.first : span.last + 1] = [span.token_id] * (
            span.last - span.first + 1
        )
    return path


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("blank", [0, 3])
def test_the_same_path_as_torchaudio(seed, blank):
    rng = np.random.default_rng(seed)
    frames, vocabulary = int(rng.integers(12, 60)), 7
    log_probs = random_log_probs(seed, frames, vocabulary)
    others = [token for token in range(vocabulary) if token != blank]
    # Many equal neighbours, between which a blank has to be.
    tokens = rng.choice(others[: 2 + seed % 4], size=int(rng.integers(1, 7))).tolist()
    expected, _ = forced_align(log_probs[None], torch.tensor([tokens]), blank=blank)
    spans = align(log_probs.numpy(), tokens, blank)
    assert [span.token_id for span in spans] == tokens
    assert as_path(spans, frames, blank) == expected[0].tolist()


def test_more_tokens_than_a_byte_counts():
    log_probs = random_log_probs(0, 900, 30)
    tokens = np.random.default_rng(0).integers(1, 30, size=300).tolist()
    expected, _ = forced_align(log_probs[None], torch.tensor([tokens]))
    assert as_path(align(log_probs.numpy(), tokens), 900, 0) == expected[0].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_no_alignment_is_better(seed):
    log_probs = random_log_probs(seed, 6, 3).double().numpy()
    for tokens in ([1], [1, 1], [1, 2, 1], [2, 2, 1]):
        best = -np.inf
        for path in product(range(3), repeat=6):
            kept = [t for i, t in enumerate(path) if i == 0 or t != path[i - 1]]
            if [t for t in kept if t] == tokens:
                best = max(best, sum(log_probs[i, t] for i, t in enumerate(path)))
        path = as_path(align(log_probs, tokens), 6, 0)
        assert sum(log_probs[i, t] for i, t in enumerate(path)) == pytest.approx(best)


def test_the_peak_is_the_most_probable_frame_of_a_token():
    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55], [0.9, 0.1]])
    assert align(np.log(probs), [1]) == [TokenSpan(1, 1, 3, 2)]


def test_too_few_frames():
    with pytest.raises(ValueError, match="2 tokens cannot be aligned with 2 frames"):
        align(np.log(np.full((2, 3), 1 / 3)), [1, 1])
    assert align(np.zeros((0, 3)), []) == []
    with pytest.raises(ValueError, match="1 tokens cannot be aligned with 0 frames"):
        align(np.zeros((0, 3)), [1])


def test_frames_stand_for_the_time_around_their_centre():
    times = FrameTimes(step=0.04, first=0.03)
    assert times.span(0, 0) == pytest.approx((0.01, 0.05))
    assert times.span(10, 12) == pytest.approx((0.41, 0.53))
    assert FrameTimes(step=0.08, first=0.03).span(0, 0) == pytest.approx((0.0, 0.07))
