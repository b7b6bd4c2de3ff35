"""Times of tokens and words: frame times and CTC alignment."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np

__all__ = ["FrameTimes", "TokenSpan", "align"]


@dataclass(frozen=True)
class FrameTimes:
    """Times of the frames of a model's output in its input.

    Attributes:
        step: Duration from one frame to the next in seconds.
        first: Centre of the audio from which frame 0 is computed, in seconds from the
            first sample.
    """

    step: float
    first: float = 0.0

    def span(self, first: int, last: int) -> tuple[float, float]:
        """Return start and end of the frames ``first`` to ``last``, in seconds.

        Each frame covers ``step`` seconds around its centre; nothing begins before
        the first sample.
        """
        begin = self.first + (first - 0.5) * self.step
        return max(0.0, begin), self.first + (last + 0.5) * self.step


@dataclass(frozen=True)
class TokenSpan:
    """The frames that an alignment assigns to a token.

    Attributes:
        token_id: Index of the token.
        first: Index of its first frame.
        last: Index of its last frame.
        peak: Index of the frame in which it is most probable.
    """

    token_id: int
    first: int
    last: int
    peak: int


def align(
    log_probs: np.ndarray, token_ids: Sequence[int], blank: int = 0
) -> list[TokenSpan]:
    """Find the most probable CTC alignment of a token sequence (Viterbi).

    For the tokens of the best path, it is the best path itself.

    Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006),
    section 4.1, with the maximum in place of the sum.

    Args:
        log_probs: Log-posteriors ``(frames, vocabulary)``.
        token_ids: Indices of the tokens, without blanks. Equal neighbours need a blank
            between them.
        blank: Index of the blank.

    Returns:
        One span for each token, in order and without overlap.

    Raises:
        ValueError: If there are too few frames for the tokens.
    """
    if not len(token_ids):
        return []
    log_probs = np.asarray(log_probs, dtype=np.float64)
    # blank, token, blank, token, ..., blank
    states = np.full(2 * len(token_ids) + 1, blank)
    states[1::2] = token_ids
    can_skip = np.zeros(len(states), bool)
    can_skip[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(len(states), -np.inf)
    if len(log_probs):
        scores[:2] = log_probs[0, states[:2]]
    moves = np.zeros((len(log_probs), len(states)), np.int8)
    for frame, row in enumerate(log_probs[1:], 1):
        one = np.concatenate([[-np.inf], scores[:-1]])
        two = np.where(can_skip, np.concatenate([[-np.inf] * 2, scores[:-2]]), -np.inf)
        choices = np.stack([scores, one, two])
        moves[frame] = choices.argmax(0)
        scores = choices.max(0) + row[states]
    last = len(states) - 1 - int(scores[-2] > scores[-1])
    if not np.isfinite(scores[last]):
        raise ValueError(
            f"{len(token_ids)} tokens cannot be aligned with {len(log_probs)} frames"
        )
    return _spans(log_probs, states, _walk_back(moves, last))


def _walk_back(moves: np.ndarray, last: int) -> np.ndarray:
    path = np.empty(len(moves), np.int64)
    for frame in range(len(moves) - 1, -1, -1):
        path[frame] = last
        last -= int(moves[frame, last])
    return path


def _spans(log_probs, states, path) -> list[TokenSpan]:
    spans = []
    for place in range(1, len(states), 2):
        token = int(states[place])
        frames = np.flatnonzero(path == place)
        first, last = int(frames[0]), int(frames[-1])
        peak = first + int(log_probs[first : last + 1, token].argmax())
        spans.append(TokenSpan(token, first, last, peak))
    return spans
