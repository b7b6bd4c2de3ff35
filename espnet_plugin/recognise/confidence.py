"""Confidence of tokens and words, its calibration and its calibration error."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json, write_json

__all__ = [
    "AGGREGATES",
    "Calibration",
    "TEMPERATURES",
    "aggregate",
    "expected_calibration_error",
    "fit",
    "negative_log_likelihood",
    "read_calibration",
    "token_confidence",
    "write_calibration",
]

AGGREGATES = ("min", "mean", "product")
# 241 values in steps of 1.7 %, which is finer than a dev set can distinguish.
TEMPERATURES = tuple(float(t) for t in np.geomspace(1 / 8, 8, 241))
ECE_BINS = 10
# Limits confidence to [1e-6, 1 - 1e-6]: a wrong word with confidence 1 would have an
# infinite loss.
_CLIP = 1e-6


@dataclass(frozen=True)
class Calibration:
    """How posteriors are turned into confidence. The default leaves them unchanged.

    Attributes:
        temperature: Log-posteriors are divided by it and normalised again. Above 1, the
            model was overconfident.
        aggregate: How the confidences of a word's tokens are combined, one of
            ``AGGREGATES``.
        checkpoint_sha256: Checksum of the model's file; None if not fitted.
        words: Number of recognised words that it was fitted on.
        correct: Number of correct words among them.
        ece_before: Expected calibration error on these words without calibration.
        ece_after: The same with calibration. It is cross-fitted: each half of the
            utterances uses the temperature of the other half.
        test_words: Number of recognised words of a test set, if one was given.
        test_ece_before: Expected calibration error on the test set without calibration.
        test_ece_after: The same with calibration.
    """

    temperature: float = 1.0
    aggregate: str = "min"
    checkpoint_sha256: Optional[str] = None
    words: int = 0
    correct: int = 0
    ece_before: Optional[float] = None
    ece_after: Optional[float] = None
    test_words: Optional[int] = None
    test_ece_before: Optional[float] = None
    test_ece_after: Optional[float] = None

    @property
    def fitted(self) -> bool:
        return self.checkpoint_sha256 is not None


def token_confidence(
    log_probs: np.ndarray, tokens: Sequence[int], temperatures: Sequence[float] = (1.0,)
) -> np.ndarray:
    """Return the posterior of each token at each temperature.

    Args:
        log_probs: Log-softmax in the frame of each token, ``(tokens, vocabulary)``.
        tokens: Indices of the tokens.
        temperatures: Above zero.

    Returns:
        ``(tokens, temperatures)`` in [0, 1].
    """
    log_probs = np.asarray(log_probs, np.float64)
    own = log_probs[np.arange(len(tokens)), list(tokens)]
    # The largest value becomes 0, so that nothing overflows.
    relative = log_probs - log_probs.max(1, keepdims=True, initial=-np.inf)
    own = own - log_probs.max(1, initial=-np.inf)
    columns = [
        np.exp(own / t) / np.exp(relative / t).sum(1) if len(own) else own
        for t in temperatures
    ]
    return np.stack(columns, axis=1)


def aggregate(values: np.ndarray, how: str) -> np.ndarray:
    """Combine the confidences of a word's tokens (the first axis).

    Raises:
        ValueError: If ``how`` is not one of ``AGGREGATES``.
    """
    if how == "min":
        return values.min(0)
    if how == "mean":
        return values.mean(0)
    if how == "product":
        return values.prod(0)
    raise ValueError(f"aggregate {how!r}: must be one of {', '.join(AGGREGATES)}")


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS
) -> float:
    """Return the mean distance of confidence and accuracy, over bins of equal width.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017),
    equation 3. A bin excludes its lower bound and includes its upper bound; the first
    bin includes 0.

    Args:
        confidence: ``(words,)`` in [0, 1].
        correct: ``(words,)`` of booleans.

    Raises:
        UserError: If there is no word.
    """
    confidence, correct = np.asarray(confidence), np.asarray(correct, float)
    if not len(confidence):
        raise UserError(
            "no word was recognised, so the calibration error cannot be computed: "
            "check that the model and the set belong together"
        )
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(place, weights=confidence - correct, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def negative_log_likelihood(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Return the mean of -ln P(outcome) over the first axis (words)."""
    clipped = np.clip(confidence, _CLIP, 1 - _CLIP)
    right = np.asarray(correct, bool).reshape(-1, *[1] * (clipped.ndim - 1))
    return -np.where(right, np.log(clipped), np.log1p(-clipped)).mean(0)


def fit(
    words: Sequence[Sequence[np.ndarray]],
    correct: Sequence[Sequence[bool]],
    checkpoint_sha256: str,
) -> Calibration:
    """Choose the temperature and aggregate with the highest likelihood.

    Args:
        words: For each utterance and each recognised word, the confidence of its tokens
            at each of ``TEMPERATURES``, ``(tokens, temperatures)``.
        correct: For each utterance and each recognised word, whether it is correct.
        checkpoint_sha256: Checksum of the model's file.

    Raises:
        UserError: If all words are right, or all wrong, or there are fewer than 20.
    """
    flat = [word for utterance in words for word in utterance]
    truth = np.array([c for utterance in correct for c in utterance], bool)
    if len(flat) < 20 or truth.all() or not truth.any():
        raise UserError(
            f"{len(flat)} words were recognised, {int(truth.sum())} of them right: at "
            "least 20 words are needed, some right and some wrong, to fit the "
            "confidence; give a larger dev set"
        )
    tables = {how: np.stack([aggregate(w, how) for w in flat]) for how in AGGREGATES}
    losses = {
        how: negative_log_likelihood(table, truth) for how, table in tables.items()
    }
    how = min(AGGREGATES, key=lambda name: losses[name].min())
    place = int(losses[how].argmin())
    if place in (0, len(TEMPERATURES) - 1):
        logging.warning(
            "temperature %.3g is at the edge of the range that was searched",
            TEMPERATURES[place],
        )
    one = int(np.argmin(np.abs(np.array(TEMPERATURES) - 1.0)))
    return Calibration(
        temperature=TEMPERATURES[place],
        aggregate=how,
        checkpoint_sha256=checkpoint_sha256,
        words=len(flat),
        correct=int(truth.sum()),
        ece_before=expected_calibration_error(
            tables[Calibration().aggregate][:, one], truth
        ),
        ece_after=_cross_fitted(tables[how], truth, correct),
    )


def _cross_fitted(table, truth, correct) -> float:
    """Return the calibration error if each half uses the other's temperature."""
    sizes = [len(utterance) for utterance in correct]
    half = np.repeat(np.arange(len(sizes)) % 2, sizes)
    confidence = np.empty(len(truth))
    for number in (0, 1):
        here, there = half == number, half != number
        place = 0
        if there.any():
            place = int(negative_log_likelihood(table[there], truth[there]).argmin())
        confidence[here] = table[here, place]
    return expected_calibration_error(confidence, truth)


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write ``confidence.json`` and return its path."""
    path = Experiment(folder).confidence_file
    write_json(path, asdict(calibration))
    return path


def read_calibration(folder: Path, checkpoint_sha256: str) -> Calibration:
    """Read ``confidence.json``; without that file, posteriors are used unchanged.

    A calibration that was fitted to a different checkpoint is not used, with a warning.

    Raises:
        UserError: If the file is damaged.
    """
    path = Experiment(folder).confidence_file
    if not path.is_file():
        return Calibration()
    content = read_json(path)
    try:
        calibration = Calibration(**content)
        sound = calibration.temperature > 0 and calibration.aggregate in AGGREGATES
    except TypeError:
        sound = False
    if not sound:
        raise UserError(
            f"{path} is not a calibration file: delete it, or make it again with "
            "python -m espnet_plugin.bin.confidence"
        )
    if calibration.checkpoint_sha256 != checkpoint_sha256:
        logging.warning(
            "%s was fitted to a different checkpoint and is not used: run python -m "
            "espnet_plugin.bin.confidence again",
            path,
        )
        return Calibration()
    return calibration
