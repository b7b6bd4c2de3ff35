"""Confidence against slow versions, and a temperature that is known."""

import numpy as np
import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.confidence import (
    TEMPERATURES,
    Calibration,
    aggregate,
    expected_calibration_error,
    fit,
    negative_log_likelihood,
    read_calibration,
    token_confidence,
    write_calibration,
)


@pytest.mark.parametrize("temperature", [0.125, 0.7, 1.0, 8.0])
def test_a_tempered_posterior_is_torchs(temperature):
    log_probs = torch.randn(5, 9, generator=torch.Generator().manual_seed(1)) * 20
    log_probs = log_probs.log_softmax(-1)
    tokens = [0, 3, 8, 3, 1]
    expected = (log_probs.double() / temperature).softmax(-1)[range(5), tokens]
    found = token_confidence(log_probs.numpy(), tokens, [1.0, temperature])
    assert found[:, 1] == pytest.approx(expected.numpy(), abs=1e-12)
    assert token_confidence(np.zeros((0, 9)), [], [1.0, 2.0]).shape == (0, 2)


def test_what_a_word_is_made_of():
    tokens = np.array([[0.5, 1.0], [0.2, 0.5], [0.8, 0.9]])
    assert aggregate(tokens, "min").tolist() == [0.2, 0.5]
    assert aggregate(tokens, "mean") == pytest.approx([0.5, 0.8])
    assert aggregate(tokens, "product") == pytest.approx([0.08, 0.45])
    with pytest.raises(ValueError, match="aggregate 'max'"):
        aggregate(tokens, "max")


def slow_ece(confidence, correct, bins):
    """Guo et al., equations 2 and 3, bin by bin."""
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [
            (c, r)
            for c, r in zip(confidence, correct)
            if low < c <= high or (number == 0 and c == 0)
        ]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            mean = sum(c for c, _ in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


@pytest.mark.parametrize("bins", [1, 4, 8])
def test_calibration_error(bins):
    rng = np.random.default_rng(bins)
    # Powers of two: bounds of bins are hit exactly.
    confidence = rng.integers(0, 33, size=400) / 32
    correct = rng.random(400) < confidence**2
    expected = slow_ece(confidence.tolist(), correct.tolist(), bins)
    found = expected_calibration_error(confidence, correct, bins)
    assert found == pytest.approx(expected) and found > 0.02
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0.0
    with pytest.raises(UserError, match="no word"):
        expected_calibration_error([], [])


def test_likelihood():
    loss = negative_log_likelihood(np.array([[0.8], [0.3]]), np.array([True, False]))
    assert loss == pytest.approx([-(np.log(0.8) + np.log(0.7)) / 2])
    assert np.isfinite(negative_log_likelihood(np.array([1.0]), np.array([False])))


def made_up_words(temperature, seed=0, utterances=600):
    """Words of one token, right as often as its posterior at that temperature says."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((utterances, 4, 5)) * 4
    words, correct = [], []
    for utterance in logits:
        log_probs = utterance - np.log(np.exp(utterance).sum(1, keepdims=True))
        best = log_probs.argmax(1)
        table = token_confidence(log_probs, best, TEMPERATURES)
        truth = token_confidence(log_probs, best, [temperature])[:, 0]
        words.append([row[None] for row in table])
        correct.append((rng.random(len(truth)) < truth).tolist())
    return words, correct


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_that_made_the_data_is_found(temperature):
    found = fit(*made_up_words(temperature), "abc")
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.words == 2400 and 0 < found.correct < 2400 and found.fitted
    assert found.ece_after < 0.03
    if temperature != 1.0:
        assert found.ece_before > 2 * found.ece_after


def test_the_aggregate_of_the_greatest_likelihood_is_taken():
    """Words that are right if all of their tokens are, independently."""
    rng = np.random.default_rng(5)
    one = TEMPERATURES.index(min(TEMPERATURES, key=lambda t: abs(t - 1)))
    words, correct = [], []
    for _ in range(500):
        sure = rng.uniform(0.6, 1.0, size=4)
        # The same at each temperature but for what makes temperature 1 the best.
        table = np.repeat(sure[:, None], len(TEMPERATURES), axis=1)
        table[:, np.arange(len(TEMPERATURES)) != one] = 0.5
        words.append([table])
        correct.append([bool((rng.random(4) < sure).all())])
    found = fit(words, correct, "abc")
    assert found.aggregate == "product" and found.temperature == TEMPERATURES[one]


def test_too_little_to_fit_on():
    words, correct = made_up_words(1.0, utterances=10)
    with pytest.raises(UserError, match="40 words were recognised, 40 of them right"):
        fit(words, [[True] * 4] * 10, "abc")
    with pytest.raises(UserError, match="8 words"):
        fit(words[:2], correct[:2], "abc")


def test_what_is_kept_is_of_one_checkpoint(tmp_path, caplog):
    assert read_calibration(tmp_path, "abc") == Calibration()
    kept = Calibration(1.5, "product", "abc", 100, 80, 0.1, 0.02)
    path = write_calibration(tmp_path, kept)
    assert read_calibration(tmp_path, "abc") == kept
    assert not read_calibration(tmp_path, "abd").fitted
    assert "fitted to a different checkpoint" in caplog.text
    for content in ('{"temperature": 0}', '{"heat": 1}', '{"aggregate": "max"}'):
        path.write_text(content)
        with pytest.raises(UserError, match="confidence.json is not a calibration"):
            read_calibration(tmp_path, "abc")
