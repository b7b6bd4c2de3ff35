"""The quantised model, if it is as good: measured on dev before it is written."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Sequence

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
from espnet_plugin.score.wer import Counts, Score, compare_scores, score_texts

__all__ = ["Int8Result", "make_int8"]

# Utterances that the sensitivity of a product is measured on.
_PROBE_UTTERANCES = 8
# How many of the operations may stay in 32 bits; with more, little is gained.
_KEPT_SHARE = 0.5


@dataclass(frozen=True)
class Int8Result:
    """What was measured of a quantised model.

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
    """Quantise a model, measure it, and keep more of it in 32 bits if it lost much.

    The operations that stay in 32 bits are the most sensitive ones: those that change
    the log-probabilities of a few utterances most when they alone are quantised. Twice
    as many each time, up to half of all.

    Args:
        source: The model, for its tokens.
        port: The form of the graph.
        fp32: The file in 32 bits.
        target: The file to write; it is not there if the loss is too great.
        dev: Utterances with transcripts.
        max_wer_loss: Points of word error rate that may be lost.
        threads: Threads of the runtime.

    Returns:
        What was measured, and what the quantised model recognises by utterance.

    Raises:
        UserError: If nothing can be quantised.
    """
    speech = {n: given_input(source, port, x) for n, x in dev.audio.items()}
    before = _score(source, port, OnnxModel(fp32, threads), speech, dev)
    products = products_of(fp32)
    candidates = products + stored_of(fp32)
    kept: tuple[str, ...] = ()
    order: Optional[list[str]] = None
    while True:
        quantise(fp32, target, kept)
        count = quantised_products(target)
        if count == 0:
            target.unlink()
            raise UserError(
                f"--int8: {fp32.name} has {len(products)} products of a constant "
                "matrix, and none of them was quantised"
            )
        after = _score(source, port, OnnxModel(target, threads), speech, dev)
        result = _result(before, after, dev, max_wer_loss, count, kept, order)
        texts = {item.name: item.hypothesis for item in after.utterances}
        if result.accepted:
            return result, texts
        logging.info("int8, %d products left in 32 bits: %s", len(kept), result.reason)
        if order is None:
            order = _by_sensitivity(port, fp32, target, speech, candidates, threads)
        more = max(1, 2 * len(kept))
        if more > _KEPT_SHARE * len(candidates):
            target.unlink()
            return result, texts
        kept = tuple(order[:more])


def _score(
    source: Source,
    port: Port,
    model: OnnxModel,
    speech: Mapping[str, np.ndarray],
    dev: DevSet,
) -> Score:
    texts = {}
    for name, given in speech.items():
        log_probs = port.read(model.run(port.feed([given])))[0]
        texts[name] = source.text(best_tokens(log_probs, source.facts))
    return score_texts(dev.text, texts)


def _result(
    before: Score,
    after: Score,
    dev: DevSet,
    limit: float,
    products: int,
    kept: tuple[str, ...],
    order: Optional[Sequence[str]],
) -> Int8Result:
    compared = compare_scores(before.to_dict(), after.to_dict())
    accepted = compared.difference <= limit
    old, new = before.words, after.words
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
        kept_fp32=tuple(map(layer_of, kept)),
        reason="" if accepted else _reason(compared, old, new, limit, order),
    )


def _reason(
    compared: PairedComparison,
    old: Counts,
    new: Counts,
    limit: float,
    order: Optional[Sequence[str]],
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
    if order:
        shown = ", ".join(map(layer_of, order[:3]))
        text += f"; the most sensitive products are {shown}"
    return text


def _by_sensitivity(
    port: Port,
    fp32: Path,
    scratch: Path,
    speech: Mapping[str, np.ndarray],
    products: Sequence[str],
    threads: int,
) -> list[str]:
    """Order products by how much the output changes when each alone is quantised."""
    logging.info("int8: the sensitivity of %d products is measured", len(products))
    probes = list(speech.values())[:_PROBE_UTTERANCES]

    def outputs(path: Path) -> list[np.ndarray]:
        model = OnnxModel(path, threads)
        return [port.read(model.run(port.feed([given])))[0] for given in probes]

    exact = outputs(fp32)
    change = {}
    for name in products:
        quantise(fp32, scratch, [other for other in products if other != name])
        pairs = zip(exact, outputs(scratch))
        change[name] = max(_divergence(old, new) for old, new in pairs)
    return sorted(products, key=lambda name: -change[name])


def _divergence(old: np.ndarray, new: np.ndarray) -> float:
    """Return the mean Kullback-Leibler divergence of frames."""
    return float((np.exp(old) * (old - new)).sum(axis=1).mean())
