"""From a sound file to words with times, confidence and alternatives."""

from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.audio import AudioReader
from espnet_plugin.recognise.beam import prefix_beam_search
from espnet_plugin.recognise.confidence import (
    Calibration,
    aggregate,
    token_confidence,
)
from espnet_plugin.recognise.ctc_model import CtcModel
from espnet_plugin.recognise.hotwords import Hotwords, Phrase
from espnet_plugin.recognise.segments import Segment, Segmenter
from espnet_plugin.recognise.transcript import Alternative, Part, Transcript, Word
from espnet_plugin.recognise.vocabulary import Vocabulary
from espnet_plugin.recognise.words import FrameTimes, TokenSpan, align

__all__ = ["Found", "Recogniser", "SearchOptions"]

# Used for --hotwords and --nbest if --beam_size is not given.
DEFAULT_BEAM = 16
# A larger beam needs hours for a minute of audio, and finds nothing else.
MOST_BEAM = 1000


@dataclass(frozen=True)
class SearchOptions:
    """Options of the search.

    Attributes:
        beam_size: Number of prefixes in the beam. None: the best path is used, unless
            alternatives or contextual words need a beam.
        nbest: Number of texts to return, including the best one.
        max_segment_seconds: Longer audio is cut at pauses.
        channel: Number of the channel to use, from 1; the mean of all if None.
    """

    beam_size: Optional[int] = None
    nbest: int = 1
    max_segment_seconds: float = 20.0
    channel: Optional[int] = None

    def __post_init__(self):
        if self.beam_size is not None and self.beam_size < 1:
            raise UserError(f"--beam_size {self.beam_size}: must be at least 1")
        if self.nbest < 1:
            raise UserError(f"--nbest {self.nbest}: must be at least 1")
        for option in ("beam_size", "nbest"):
            if (getattr(self, option) or 0) > MOST_BEAM:
                raise UserError(
                    f"--{option} {getattr(self, option)}: must be at most {MOST_BEAM}"
                )
        if self.beam_size is not None and self.beam_size < self.nbest:
            raise UserError(
                f"--beam_size {self.beam_size}: must be at least --nbest "
                f"{self.nbest}, because a beam holds no more texts than its size"
            )


@dataclass(frozen=True)
class Found:
    """The best token sequence of a segment, with its alignment.

    Attributes:
        spans: Tokens of the sequence and their frames.
        rows: Log-posteriors in the peak frame of each token, ``(tokens, vocabulary)``.
        alternatives: The best texts with their scores, best first.
    """

    spans: tuple[TokenSpan, ...]
    rows: np.ndarray
    alternatives: tuple[Alternative, ...]

    @property
    def token_ids(self) -> list[int]:
        return [span.token_id for span in self.spans]


class Recogniser:
    """Recognises files with a CTC model.

    Args:
        model: See :class:`~espnet_plugin.recognise.ctc_model.CtcModel`.
        options: Options of the search.
        phrases: Contextual words.
        calibration: How posteriors are turned into confidence.

    Raises:
        UserError: If an option is wrong, or the model cannot spell a contextual word.
    """

    def __init__(
        self,
        model: CtcModel,
        options: SearchOptions = SearchOptions(),
        phrases: Sequence[Phrase] = (),
        calibration: Calibration = Calibration(),
    ):
        self._model, self._options, self._calibration = model, options, calibration
        self.vocabulary = Vocabulary(tuple(model.tokens), model.token_type, model.blank)
        self._hotwords = Hotwords(phrases, self.vocabulary) if phrases else None
        self._times = FrameTimes(model.frame_seconds, model.first_frame_seconds)
        self._segmenter = Segmenter(model.sample_rate, options.max_segment_seconds)
        self._beam = options.beam_size
        if self._beam is None and (phrases or options.nbest > 1):
            self._beam = min(max(DEFAULT_BEAM, 2 * options.nbest), MOST_BEAM)

    def file(self, path: str) -> Transcript:
        """Recognise one file; memory does not grow with its length.

        Raises:
            UserError: If it cannot be read or used; see :class:`AudioReader`.
        """
        rate = self._model.sample_rate
        with AudioReader(path, rate, self._options.channel) as audio:
            parts, samples = [], 0
            for segment in self._segmenter.split(audio.blocks()):
                samples += len(segment.samples)
                parts.append(self._part(segment))
            return Transcript(
                path,
                samples / rate,
                tuple(parts),
                tuple(audio.notes),
                self._calibration.fitted,
            )

    def search(self, samples: np.ndarray) -> Found:
        """Find the best token sequence of a segment.

        Args:
            samples: ``(samples,)`` at the model's sampling rate.
        """
        log_probs = np.asarray(self._model.log_posteriors(samples))
        if self._beam is None:
            found = [self._best_path(log_probs)]
        else:
            found = [
                (hypothesis.token_ids, hypothesis.score)
                for hypothesis in prefix_beam_search(
                    log_probs,
                    self.vocabulary.blank,
                    self._beam,
                    self._hotwords,
                    self.vocabulary.silent,
                )
            ]
        # Different token sequences may spell the same text.
        texts: dict[str, float] = {}
        for token_ids, score in found:
            texts.setdefault(self.vocabulary.text(token_ids), score)
        best = list(texts.items())[: self._options.nbest]
        spans = align(log_probs, found[0][0], self.vocabulary.blank)
        return Found(
            tuple(spans),
            log_probs[[span.peak for span in spans]],
            tuple(Alternative(text, score) for text, score in best),
        )

    def _best_path(self, log_probs: np.ndarray) -> tuple[list[int], float]:
        """Compute the best path like ``decode.best_path``, but without torch."""
        if not len(log_probs):
            return [], 0.0
        best = log_probs.argmax(1)
        new = np.concatenate([[True], best[1:] != best[:-1]])
        tokens = [t for t in best[new].tolist() if t not in self.vocabulary.silent]
        return tokens, float(log_probs.max(1).sum(dtype=np.float64))

    def _part(self, segment: Segment) -> Part:
        rate = self._model.sample_rate
        start = segment.start / rate
        # Added in samples, so that it is exactly equal to the start of the next part.
        stop = (segment.start + len(segment.samples)) / rate
        found = self.search(segment.samples)
        tokens = [span.token_id for span in found.spans]
        temperature = self._calibration.temperature
        sure = token_confidence(found.rows, tokens, [temperature])[:, 0]
        words = []
        for word in self.vocabulary.words(tokens):
            frames = found.spans[word.first].first, found.spans[word.last].last
            begin, end = self._times.span(*frames)
            if not words and begin >= stop - start:
                # An export pads audio that is shorter than what its first frame needs.
                begin = max(0.0, stop - start - self._times.step)
            starts = [
                self._times.span(found.spans[n].first, found.spans[n].last)[0]
                for n in word.letters
            ]
            of_tokens = sure[word.first : word.last + 1]
            words.append(
                Word(
                    word.text,
                    min(start + begin, stop),
                    min(start + end, stop),
                    float(aggregate(of_tokens, self._calibration.aggregate)),
                    tuple(min(start + max(begin, one), stop) for one in starts),
                    word.glued,
                )
            )
        return Part(start, stop, tuple(words), found.alternatives)
