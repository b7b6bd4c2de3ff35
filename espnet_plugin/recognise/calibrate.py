"""Collect the data on which a model's confidence is calibrated, and assess it."""

from pathlib import Path
from typing import NamedTuple, Sequence, Union

import jiwer
import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.progress import progress
from espnet_plugin.recognise.audio import AudioReader
from espnet_plugin.recognise.confidence import (
    TEMPERATURES,
    Calibration,
    aggregate,
    expected_calibration_error,
    token_confidence,
)
from espnet_plugin.recognise.ctc_model import CtcModel
from espnet_plugin.recognise.given_model import TranscribedAudio, read_transcribed
from espnet_plugin.recognise.recogniser import Recogniser
from espnet_plugin.recognise.scripts import divided
from espnet_plugin.recognise.vocabulary import WrittenWord

__all__ = ["Judged", "calibration_errors", "judge_set", "right_words"]


class Judged(NamedTuple):
    """The recognised words of a set, and which of them are correct.

    Attributes:
        words: For each utterance and each of its words, the confidence of the tokens at
            each of ``TEMPERATURES``, ``(tokens, temperatures)``.
        correct: For each utterance and each of its words, whether it is correct.
    """

    words: list[list[np.ndarray]]
    correct: list[list[bool]]

    @property
    def num_words(self) -> int:
        return sum(map(len, self.correct))

    @property
    def num_right(self) -> int:
        return sum(map(sum, self.correct))


def judge_set(
    model: CtcModel, recogniser: Recogniser, data_dir: Union[str, Path]
) -> Judged:
    """Recognise a Kaldi folder and compare its words with the transcripts.

    Args:
        model: The recogniser's model.
        recogniser: The recogniser, with the options that will be used later.
        data_dir: Kaldi folder with ``wav.scp`` (of files) and ``text``, and perhaps
            ``segments``.

    Raises:
        UserError: If a file of the folder is missing or damaged, or an utterance has
            no transcript, or no samples.
    """
    data = read_transcribed(Path(data_dir))
    judged = Judged([], [])
    samples = _Samples(data, model.sample_rate)
    for name in progress(data.paths, len(data.paths), f"utterances of {data_dir}"):
        found = recogniser.search(samples.of(name))
        sure = token_confidence(found.rows, found.token_ids, TEMPERATURES)
        words = recogniser.vocabulary.words(found.token_ids)
        judged.words.append([sure[w.first : w.last + 1] for w in words])
        judged.correct.append(
            right_words(_like(data.texts[name], words), [w.text for w in words])
        )
    return judged


class _Samples:
    """The samples of utterances; a recording of several is read once in a row."""

    def __init__(self, data: TranscribedAudio, rate: int):
        self._data, self._rate = data, rate
        self._path, self._recording = "", np.zeros(0, np.float32)

    def of(self, name: str) -> np.ndarray:
        path = self._data.paths[name]
        if path != self._path:
            with AudioReader(path, self._rate) as audio:
                self._recording = np.concatenate(list(audio.blocks()))
            self._path = path
        segment = self._data.segments.get(name)
        if segment is None:
            return self._recording
        end = None if segment.end == -1 else round(segment.end * self._rate)
        samples = self._recording[round(segment.start * self._rate) : end]
        if not len(samples):
            raise UserError(
                f"segments: {name} has no samples: {path} ends before "
                f"{segment.start} s: correct its line"
            )
        return samples


def calibration_errors(judged: Judged, calibration: Calibration) -> tuple[float, float]:
    """Return the expected calibration error without and with calibration.

    Raises:
        UserError: If no word was recognised.
    """
    words = [word for utterance in judged.words for word in utterance]
    correct = np.array([c for utterance in judged.correct for c in utterance], bool)
    errors = []
    for one in (Calibration(), calibration):
        distance = np.abs(np.log(TEMPERATURES) - np.log(one.temperature))
        place = int(np.argmin(distance))
        sure = [aggregate(word[:, place], one.aggregate) for word in words]
        errors.append(expected_calibration_error(np.array(sure), correct))
    return errors[0], errors[1]


def _like(reference: str, words: Sequence[WrittenWord]) -> str:
    """Return a transcript with spaces where the words of a recognised text begin."""
    if not any(word.glued for word in words):
        return reference
    apart = []
    for word in reference.split():
        starts = divided(word)
        apart += [word[a:b] for a, b in zip(starts, [*starts[1:], len(word)])]
    return " ".join(apart)


def right_words(reference: str, words: list[str]) -> list[bool]:
    """Return for each word whether a minimum-errors alignment finds it correct."""
    right = [False] * len(words)
    if words and reference.split():
        aligned = jiwer.process_words(reference, " ".join(words))
        for chunk in aligned.alignments[0]:
            if chunk.type == "equal":
                places = slice(chunk.hyp_start_idx, chunk.hyp_end_idx)
                right[places] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
    return right
