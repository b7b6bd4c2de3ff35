"""The transcript of a file: words with times, confidence and alternatives."""

from dataclasses import dataclass, field

from espnet_plugin.recognise.vocabulary import joined

__all__ = ["Alternative", "Part", "Transcript", "Word"]


@dataclass(frozen=True)
class Word:
    """A recognised word.

    Attributes:
        text: The word.
        start: Time in the file at which it begins, in seconds.
        end: Time at which it ends, in seconds.
        confidence: Estimated probability that it is correct.
        letter_starts: Time at which the token of each letter begins; empty if not
            known.
        glued: Whether it follows the word before without a space, as letters of
            scripts without spaces do.
    """

    text: str
    start: float
    end: float
    confidence: float
    letter_starts: tuple[float, ...] = field(default=(), compare=False, repr=False)
    glued: bool = False


@dataclass(frozen=True)
class Alternative:
    """A text and its score: natural logarithm of its probability, plus any bonus."""

    text: str
    score: float


@dataclass(frozen=True)
class Part:
    """The transcript of one segment of the file.

    Attributes:
        start: Time at which it begins, in seconds.
        end: Time at which it ends, in seconds.
        words: The words in order.
        alternatives: The best texts of this segment, beginning with that of ``words``;
            only that one if no beam was used.
    """

    start: float
    end: float
    words: tuple[Word, ...]
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Transcript:
    """The transcript of a file.

    Attributes:
        file: Path of the file.
        seconds: Duration in seconds.
        parts: Transcripts of the segments in order.
        notes: Sentences on how the audio was changed.
        calibrated: Whether the confidence was calibrated on a dev set.
    """

    file: str
    seconds: float
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    calibrated: bool

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for part in self.parts for word in part.words)

    @property
    def text(self) -> str:
        return joined(self.words)
