"""CTC prefix beam search, optionally with contextual words."""

from dataclasses import dataclass
from math import exp, inf, log1p
from typing import Collection, Optional

import numpy as np

from espnet_plugin.recognise.hotwords import Hotwords, Match

__all__ = ["BeamHypothesis", "prefix_beam_search"]


@dataclass(frozen=True)
class BeamHypothesis:
    """A token sequence found by the search.

    Attributes:
        token_ids: Indices of the tokens, without blanks and repeats.
        log_probability: Natural logarithm of its probability, summed over all of its
            alignments that stayed in the beam. So it is a lower bound.
        bonus: Bonus for contextual words, in the same unit. Hypotheses are ordered by
            the sum.
    """

    token_ids: tuple[int, ...]
    log_probability: float
    bonus: float

    @property
    def score(self) -> float:
        return self.log_probability + self.bonus


class _Prefix:
    """A node of the tree of token sequences; equal sequences are the same node."""

    __slots__ = ("token", "parent", "children", "match")

    def __init__(self, token: int, parent: Optional["_Prefix"], match: Optional[Match]):
        self.token, self.parent, self.match = token, parent, match
        self.children: dict[int, "_Prefix"] = {}

    def child(self, token: int, hotwords: Optional[Hotwords]) -> "_Prefix":
        found = self.children.get(token)
        if found is None:
            match = hotwords.advance(self.match, token) if hotwords else None
            found = self.children[token] = _Prefix(token, self, match)
        return found

    def token_ids(self) -> tuple[int, ...]:
        tokens, node = [], self
        while node.parent is not None:
            tokens.append(node.token)
            node = node.parent
        return tuple(reversed(tokens))


def prefix_beam_search(
    log_probs: np.ndarray,
    blank: int = 0,
    beam_size: int = 16,
    hotwords: Optional[Hotwords] = None,
    never: Collection[int] = (),
    min_log_prob: float = -10.0,
    max_tokens: int = 40,
) -> list[BeamHypothesis]:
    """Search for the most probable token sequences.

    Unlike the best path, it sums over the alignments of a sequence. The probabilities
    are exact if the beam holds all prefixes, and ``min_log_prob`` and ``max_tokens``
    exclude nothing.

    Source: Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition
    using Bi-Directional Recurrent DNNs" (2014), algorithm 1, with contextual words in
    place of its language model.

    Args:
        log_probs: Log-softmax of the CTC layer, ``(frames, vocabulary)``.
        blank: Index of the blank.
        beam_size: Number of prefixes kept after each frame.
        hotwords: Contextual words; their bonus also affects the pruning.
        never: Tokens that are never used, e.g. ``<sos/eos>``.
        min_log_prob: Tokens with a lower natural log-probability in a frame are not
            tried there.
        max_tokens: Number of tokens tried in a frame: the most probable ones.

    Returns:
        The sequences in the last beam, best first. For no frames, the empty one.

    Raises:
        ValueError: If ``beam_size`` is below one or the shapes do not fit.
    """
    log_probs = np.asarray(log_probs)
    if log_probs.ndim != 2:
        raise ValueError(
            f"log_probs must be (frames, vocabulary), not {log_probs.shape}"
        )
    if beam_size < 1:
        raise ValueError(f"beam_size {beam_size}: must be at least 1")
    if log_probs.shape[0] and not 0 <= blank < log_probs.shape[1]:
        raise ValueError(f"blank {blank} is not one of {log_probs.shape[1]} tokens")
    usable = np.ones(log_probs.shape[1], bool)
    usable[[blank, *never]] = False
    root = _Prefix(-1, None, hotwords.start() if hotwords else None)
    # Log-probabilities of the alignments that end in blank, and in the last token.
    beam: dict[_Prefix, tuple[float, float]] = {root: (0.0, -inf)}
    for row in log_probs:
        tried = np.flatnonzero(usable & (row >= min_log_prob))
        if len(tried) > max_tokens:
            tried = tried[np.argpartition(-row[tried], max_tokens)[:max_tokens]]
        tokens = list(zip(tried.tolist(), row[tried].tolist()))
        beam = _best(_step(beam, row, blank, tokens, hotwords), beam_size)
    found = []
    for node, (in_blank, in_token) in beam.items():
        bonus = hotwords.finish(node.match) if hotwords else 0.0
        found.append(BeamHypothesis(node.token_ids(), _add(in_blank, in_token), bonus))
    return sorted(found, key=lambda item: -item.score)


def _step(beam, row, blank, tokens, hotwords) -> dict[_Prefix, tuple[float, float]]:
    """Extend every prefix by one frame."""
    blank_prob = float(row[blank])
    extended: dict[_Prefix, tuple[float, float]] = {}
    for node, (in_blank, in_token) in beam.items():
        total = _add(in_blank, in_token)
        old_blank, old_token = extended.get(node, (-inf, -inf))
        stay = in_token + float(row[node.token]) if node.parent is not None else -inf
        extended[node] = (_add(old_blank, total + blank_prob), _add(old_token, stay))
        for token, prob in tokens:
            # Without a blank in between, the same token is a repeat, not a new token.
            start = in_blank if token == node.token else total
            if start == -inf:
                continue
            child = node.child(token, hotwords)
            old_blank, old_token = extended.get(child, (-inf, -inf))
            extended[child] = (old_blank, _add(old_token, start + prob))
    return extended


def _best(beam, size: int) -> dict[_Prefix, tuple[float, float]]:
    if len(beam) <= size:
        return beam

    def rank(item) -> float:
        node, (in_blank, in_token) = item
        bonus = node.match.bonus if node.match is not None else 0.0
        return _add(in_blank, in_token) + bonus

    return dict(sorted(beam.items(), key=rank, reverse=True)[:size])


def _add(a: float, b: float) -> float:
    """Return log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == -inf else a + log1p(exp(b - a))
