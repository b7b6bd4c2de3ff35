"""The values of a score: counts of errors, scored utterances and scored sets."""

from dataclasses import dataclass
from typing import Any, Optional

from espnet_plugin.text import mostly_unspaced

__all__ = ["Counts", "Score", "UtteranceScore"]


@dataclass(frozen=True)
class Counts:
    """Errors of a text, in words or in characters.

    Attributes:
        reference: Length of the reference.
        substitutions: Number of units of the reference that were replaced.
        deletions: Number of units of the reference that are missing.
        insertions: Number of additional units in the hypothesis.
    """

    reference: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def correct(self) -> int:
        return self.reference - self.substitutions - self.deletions

    @property
    def rate(self) -> float:
        """Error rate in percent.

        Raises:
            ZeroDivisionError: If the reference is empty.
        """
        if self.reference == 0:
            raise ZeroDivisionError(
                "the reference is empty, so an error rate cannot be computed"
            )
        return 100.0 * self.errors / self.reference

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.reference + other.reference,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


@dataclass(frozen=True)
class UtteranceScore:
    """Texts and errors of one utterance; ``speaker`` is None if not known."""

    name: str
    speaker: Optional[str]
    reference: str
    hypothesis: str
    words: Counts
    chars: Counts


@dataclass(frozen=True)
class Score:
    """A scored test set.

    Attributes:
        utterances: Scores of utterances, in the order of the reference file.
        wer_ci95: 95 % interval of the word error rate, (low, high) in percent.
        cer_ci95: 95 % interval of the character error rate, (low, high) in percent.
        unit: Unit of the bootstrap, "utterance" or "speaker".
        resamples: Number of draws.
        seed: Seed of the draws.
    """

    utterances: tuple[UtteranceScore, ...]
    wer_ci95: tuple[float, float]
    cer_ci95: tuple[float, float]
    unit: str
    resamples: int
    seed: int

    @property
    def words(self) -> Counts:
        return sum((u.words for u in self.utterances), Counts())

    @property
    def chars(self) -> Counts:
        return sum((u.chars for u in self.utterances), Counts())

    @property
    def wrong_utterances(self) -> list[UtteranceScore]:
        return [u for u in self.utterances if u.words.errors]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``score.json``; rates and intervals are in percent.

        "spk" is only present if the speaker is known, and "error_unit" only if it is
        "char", for scripts without spaces between words.
        """
        words, chars = self.words, self.chars
        per_utterance = []
        for utterance in self.utterances:
            entry: dict[str, Any] = {"utt": utterance.name}
            if utterance.speaker is not None:
                entry["spk"] = utterance.speaker
            entry.update(
                words=utterance.words.reference,
                errors=utterance.words.errors,
                substitutions=utterance.words.substitutions,
                deletions=utterance.words.deletions,
                insertions=utterance.words.insertions,
                chars=utterance.chars.reference,
                char_errors=utterance.chars.errors,
            )
            per_utterance.append(entry)
        unspaced = mostly_unspaced(u.reference for u in self.utterances)
        return {
            **({"error_unit": "char"} if unspaced else {}),
            "utterances": len(self.utterances),
            "wrong_utterances": len(self.wrong_utterances),
            "words": words.reference,
            "wer": words.rate,
            "wer_ci95": list(self.wer_ci95),
            "substitutions": words.substitutions,
            "deletions": words.deletions,
            "insertions": words.insertions,
            "chars": chars.reference,
            "cer": chars.rate,
            "cer_ci95": list(self.cer_ci95),
            "char_substitutions": chars.substitutions,
            "char_deletions": chars.deletions,
            "char_insertions": chars.insertions,
            "bootstrap": {
                "unit": self.unit,
                "resamples": self.resamples,
                "seed": self.seed,
            },
            "per_utterance": per_utterance,
        }
