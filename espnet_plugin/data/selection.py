"""Dynamic data pruning: which utterances an epoch trains on, by their last losses.

- [0] Dynamic Data Pruning for Automatic Speech Recognition, 2024,
  https://arxiv.org/abs/2406.18373: a share of the utterances is kept and chosen again
  in every cycle; none is removed permanently. The abstract defines neither the score of
  an utterance nor the length of a cycle; those here are ours.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Literal, Mapping, Sequence, Union

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json

__all__ = ["CRITERIA", "ScoreBook", "Selection"]

CRITERIA = ("easy", "hard", "easy2hard", "random")


class ScoreBook:
    """The last loss of each utterance."""

    def __init__(self):
        self._scores: dict[str, float] = {}

    def update(self, names: Iterable[str], values: Iterable[float]) -> None:
        """Store losses per frame or token; utterances with non-finite ones are hard."""
        for name, value in zip(names, values):
            value = float(value)
            self._scores[name] = value if math.isfinite(value) else math.inf

    def scores(self) -> dict[str, float]:
        """Return all scores by utterance."""
        return dict(self._scores)

    def save(self, path: Union[str, Path]) -> None:
        """Write the scores as JSON; an infinite one becomes null."""
        finite = {k: v if v < math.inf else None for k, v in self._scores.items()}
        write_json(path, finite)

    def load(self, path: Union[str, Path]) -> None:
        """Replace all scores by those that :meth:`save` wrote."""
        stored = read_json(path)
        self._scores = {k: math.inf if v is None else v for k, v in stored.items()}


@dataclass(frozen=True)
class Selection:
    """Settings for choosing utterances.

    Attributes:
        keep: Share of the utterances an epoch trains on.
        criterion: ``easy``: those with the lowest loss; ``hard``: the highest;
            ``easy2hard``: from the lowest in the first epoch that chooses to the
            highest in the last; ``random``: a negative control.
        warmup: Number of epochs on all utterances before the first choice.
        keep_time: Share of each utterance's time that is kept, chosen by chance each
            time it is used, from the first epoch on.
        chunk_ms: Length of the dropped chunks in milliseconds.

    Raises:
        UserError: If a value is out of range.
    """

    keep: float = 0.7
    criterion: Literal["easy", "hard", "easy2hard", "random"] = "easy2hard"
    warmup: int = 1
    keep_time: float = 1.0
    chunk_ms: float = 100.0

    def __post_init__(self):
        if not 0.0 < self.keep_time <= 1.0:
            raise UserError(
                f"keep_time {self.keep_time}: must be above 0 and at most 1"
            )
        if not 10.0 <= self.chunk_ms:
            raise UserError(
                f"chunk_ms {self.chunk_ms}: must be at least 10, which is one frame "
                "of features"
            )
        if not 0.0 < self.keep <= 1.0:
            raise UserError(f"keep {self.keep}: must be above 0 and at most 1")
        if self.criterion not in CRITERIA:
            raise UserError(
                f"criterion {self.criterion!r}: must be one of "
                f"{', '.join(CRITERIA)}"
            )
        if self.warmup < 1 and self.criterion != "random":
            raise UserError(
                f"warmup {self.warmup}: must be at least 1, because losses are only "
                "known after an epoch on all utterances"
            )

    def choose(
        self,
        names: Sequence[str],
        scores: Mapping[str, float],
        epoch: int,
        max_epoch: int,
        seed: int,
    ) -> list[str]:
        """Return the utterances of an epoch, in the order of ``names``.

        Args:
            names: Names of all utterances.
            scores: Loss by utterance; an utterance without one counts as the hardest.
            epoch: Number of the epoch, from 1.
            max_epoch: Number of the last one.
            seed: Seed of the training.
        """
        if epoch <= self.warmup or self.keep == 1.0:
            return list(names)
        count = max(1, round(self.keep * len(names)))
        random = np.random.default_rng([seed, epoch])
        if self.criterion == "random":
            chosen = random.permutation(len(names))[:count]
        else:
            values = np.array([scores.get(name, math.inf) for name in names])
            # Ties (all utterances without a score) are ordered at random in each epoch.
            order = np.lexsort((random.permutation(len(names)), values))
            chosen = order[self._first(len(names) - count, epoch, max_epoch) :][:count]
        kept = set(chosen.tolist())
        return [name for index, name in enumerate(names) if index in kept]

    def _first(self, left_out: int, epoch: int, max_epoch: int) -> int:
        """Return how many of the easiest utterances are skipped."""
        if self.criterion == "easy":
            return 0
        if self.criterion == "hard":
            return left_out
        steps = max_epoch - self.warmup - 1
        done = (epoch - self.warmup - 1) / steps if steps > 0 else 1.0
        return round(done * left_out)

    def batches_of(self, batches: int, epoch: int) -> int:
        """Return the batches in an epoch if all utterances make ``batches``."""
        if epoch <= self.warmup:
            return batches
        return max(1, round(self.keep * batches))
