"""Quantise a model, and keep the result only if its loss on dev is small."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional, Sequence

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.ports import Port
from espnet_plugin.export.quantise import (
    layer_of,
    products_of,
    quantise,
    quantised_products,
    stored_of,
)
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.source import Source
from espnet_plugin.export.verify import given_input
from espnet_plugin.score.bootstrap import PairedComparison
from espnet_plugin.score.values import Counts, Score
from espnet_plugin.score.wer import compare_scores, score_texts

__all__ = [
    "PROBE_UTTERANCES",
    "Attempt",
    "Int8Result",
    "Trial",
    "make_int8",
    "log_int8",
    "quantise_within_loss",
    "without_int8",
]

# Number of utterances for measuring the sensitivity of a product.
PROBE_UTTERANCES = 8
# Number of layers named in a message.
_SHOWN_LAYERS = 6
# Largest share of operations that may stay in 32 bits; with more, little is gained.
_KEPT_SHARE = 0.5


@dataclass(frozen=True)
class Trial:
    """Functions that test a model file on utterances.

    Attributes:
        texts: Returns the texts that a file recognises, by utterance of the dev set.
        outputs: Returns log-probabilities ``(frames, vocabulary)`` of a few utterances.
    """

    texts: Callable[[Path], dict[str, str]]
    outputs: Callable[[Path], list[np.ndarray]]


@dataclass(frozen=True)
class Attempt:
    """One quantised file that was tried.

    Attributes:
        kept_fp32: Layers of the products that stayed in 32 bits.
        wer_int8: Word error rate of the file, in percent.
        difference: ``wer_int8`` minus the rate in 32 bits, in percentage points.
    """

    kept_fp32: tuple[str, ...]
    wer_int8: float
    difference: float


@dataclass(frozen=True)
class Int8Result:
    """Measurements of a quantised model.

    Attributes:
        accepted: Whether its loss is within the limit, so that it was written.
        max_wer_loss: The limit, in points of word error rate.
        folder: Name of the data folder.
        utterances: Number of utterances.
        words: Number of words in their transcripts.
        wer_fp32: Word error rate of the file in 32 bits, in percent.
        wer_int8: Word error rate of the file in 8 bits, in percent.
        difference: The latter less the former, in points; above zero, int8 is worse.
        ci95: 95 % interval of the difference, by paired bootstrap.
        p_value: Two-sided p-value of the difference.
        more_substitutions: Substitutions of int8 less those of fp32, in words.
        more_deletions: Deletions of int8 less those of fp32, in words.
        more_insertions: Insertions of int8 less those of fp32, in words.
        products: Matrix products that are quantised.
        kept_fp32: Layers of those that are not, because that lost too much.
        attempts: What was tried, in order; the last one is what the figures are of.
        reason: Why it was not accepted; empty if it was.
    """

    accepted: bool
    max_wer_loss: float
    folder: str
    utterances: int
    words: int
    wer_fp32: float
    wer_int8: float
    difference: float
    ci95: tuple[float, float]
    p_value: float
    more_substitutions: int
    more_deletions: int
    more_insertions: int
    products: int
    kept_fp32: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    reason: str = ""


def make_int8(
    source: Source,
    port: Port,
    fp32: Path,
    target: Path,
    dev: DevSet,
    max_wer_loss: float,
    threads: int = 1,
) -> tuple[Int8Result, dict[str, str]]:
    """Quantise a model for whole utterances; see :func:`quantise_within_loss`.

    Args:
        source: The model, for its tokens.
        port: The form of the graph.
        fp32: The file in 32 bits.
        target: The file to write; it is not there if the loss is too great.
        dev: Utterances with transcripts.
        max_wer_loss: Points of word error rate that may be lost.
        threads: Threads of the runtime.
    """
    speech = {n: given_input(source, port, x) for n, x in dev.audio.items()}

    def log_probs(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
        model = OnnxModel(path, threads)
        runs = ((name, model.run(port.feed([speech[name]]))) for name in names)
        return {name: port.read(outputs)[0] for name, outputs in runs}

    def texts(path: Path) -> dict[str, str]:
        return {
            name: source.text(best_tokens(found, source.facts))
            for name, found in log_probs(path, list(speech)).items()
        }

    def outputs(path: Path) -> list[np.ndarray]:
        return list(log_probs(path, list(speech)[:PROBE_UTTERANCES]).values())

    return quantise_within_loss(Trial(texts, outputs), fp32, target, dev, max_wer_loss)


def quantise_within_loss(
    trial: Trial, fp32: Path, target: Path, dev: DevSet, max_wer_loss: float
) -> tuple[Int8Result, dict[str, str]]:
    """Quantise a file, measure it, and keep more of it in 32 bits if it lost much.

    The products that stay in 32 bits are the most sensitive ones: those that change the
    log-probabilities of a few utterances most when they alone are quantised. Twice as
    many each time, up to half of all.

    Args:
        trial: How files are tried.
        fp32: The file in 32 bits.
        target: The file to write; it is not there if the loss is too great.
        dev: Utterances with transcripts.
        max_wer_loss: Points of word error rate that may be lost.

    Returns:
        What was measured, and what the quantised model recognises by utterance.

    Raises:
        UserError: If nothing can be quantised.
    """
    before = score_texts(dev.text, trial.texts(fp32))
    products = products_of(fp32)
    candidates = products + stored_of(fp32)
    kept: tuple[str, ...] = ()
    order: Optional[list[str]] = None
    attempts: list[Attempt] = []
    while True:
        quantise(fp32, target, kept)
        count = quantised_products(target)
        if count == 0:
            target.unlink()
            raise UserError(
                f"--int8: {fp32.name} has {len(products)} products with a constant "
                "matrix, but none of them was quantised"
            )
        after = score_texts(dev.text, trial.texts(target))
        result = _result(before, after, dev, max_wer_loss, count, kept, attempts)
        attempts.append(result.attempts[-1])
        texts = {item.name: item.hypothesis for item in after.utterances}
        if result.accepted:
            return result, texts
        logging.info("int8: %d products left in 32 bits: %s", len(kept), result.reason)
        if order is None:
            order = _by_sensitivity(trial, fp32, target, candidates)
        more = max(1, 2 * len(kept))
        if more > _KEPT_SHARE * len(candidates):
            target.unlink()
            most = ", ".join(map(layer_of, order[:3]))
            reason = f"{result.reason}; the most sensitive products are {most}"
            return replace(result, reason=reason), texts
        kept = tuple(order[:more])


def log_int8(file: str, result: Int8Result) -> None:
    """Say what was measured, or why there is no such file."""
    if result.accepted:
        logging.info(
            "%s: word error rate %.2f %% (32 bits: %.2f %%), %d products quantised",
            file,
            result.wer_int8,
            result.wer_fp32,
            result.products,
        )
    else:
        logging.warning("%s is not written: %s", file, result.reason)


def without_int8(file: Path, result: Int8Result, reason: str) -> Int8Result:
    """Remove a file that was accepted but cannot be used, and say so.

    Args:
        file: The file in 8 bits.
        result: What was measured of it.
        reason: What is wrong with it.

    Returns:
        The same measurements, of a file that was not accepted.
    """
    file.unlink()
    rejected = replace(result, accepted=False, reason=reason)
    log_int8(file.name, rejected)
    return rejected


def _result(
    before: Score,
    after: Score,
    dev: DevSet,
    limit: float,
    products: int,
    kept: tuple[str, ...],
    earlier: Sequence[Attempt],
) -> Int8Result:
    compared = compare_scores(before.to_dict(), after.to_dict())
    accepted = compared.difference <= limit
    old, new = before.words, after.words
    layers = tuple(map(layer_of, kept))
    attempts = (*earlier, Attempt(layers, new.rate, compared.difference))
    return Int8Result(
        accepted=accepted,
        max_wer_loss=limit,
        folder=dev.folder,
        utterances=len(dev.audio),
        words=old.reference,
        wer_fp32=old.rate,
        wer_int8=new.rate,
        difference=compared.difference,
        ci95=compared.ci95,
        p_value=compared.p_value,
        more_substitutions=new.substitutions - old.substitutions,
        more_deletions=new.deletions - old.deletions,
        more_insertions=new.insertions - old.insertions,
        products=products,
        kept_fp32=layers,
        attempts=attempts,
        reason="" if accepted else _reason(compared, old, new, limit, attempts),
    )


def _reason(
    compared: PairedComparison,
    old: Counts,
    new: Counts,
    limit: float,
    attempts: Sequence[Attempt],
) -> str:
    changes = {
        "deletions": new.deletions - old.deletions,
        "substitutions": new.substitutions - old.substitutions,
        "insertions": new.insertions - old.insertions,
    }
    most = max(changes, key=changes.__getitem__)
    text = (
        f"{compared.difference:+.2f} points of word error rate ({old.rate:.2f} to "
        f"{new.rate:.2f}, 95 % interval {compared.ci95[0]:+.2f} to "
        f"{compared.ci95[1]:+.2f}), more than --max_wer_loss {limit:g}; mostly {most} "
        f"({changes['deletions']:+d} deletions, {changes['substitutions']:+d} "
        f"substitutions, {changes['insertions']:+d} insertions)"
    )
    if attempts[-1].kept_fp32:
        tried = "; ".join(
            f"{len(one.kept_fp32) or 'none'}: {one.difference:+.2f}" for one in attempts
        )
        text += (
            f"; that is with {_listed(attempts[-1].kept_fp32)} left in 32 bits "
            f"(points lost, by number of layers left: {tried})"
        )
    return text


def _listed(layers: Sequence[str]) -> str:
    more = len(layers) - _SHOWN_LAYERS
    shown = ", ".join(layers[:_SHOWN_LAYERS])
    return f"{shown} and {more} more" if more > 0 else shown


def _by_sensitivity(
    trial: Trial, fp32: Path, scratch: Path, products: Sequence[str]
) -> list[str]:
    """Order products by how much the output changes when each alone is quantised."""
    logging.info("int8: measuring the sensitivity of %d products", len(products))
    exact = trial.outputs(fp32)
    change = {}
    for name in products:
        quantise(fp32, scratch, [other for other in products if other != name])
        pairs = zip(exact, trial.outputs(scratch))
        change[name] = max(_divergence(old, new) for old, new in pairs)
    return sorted(products, key=lambda name: -change[name])


def _divergence(old: np.ndarray, new: np.ndarray) -> float:
    """Return the mean Kullback-Leibler divergence of frames."""
    return float((np.exp(old) * (old - new)).sum(axis=1).mean())
