"""What is recognised in a file."""

from dataclasses import dataclass

__all__ = ["Alternative", "Part", "Transcript", "Word"]


@dataclass(frozen=True)
class Word:
    """A recognised word.

    Attributes:
        text: The word.
        start: Second it begins at, in the file.
        end: Second it ends at.
        confidence: Estimated probability that it is right.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Alternative:
    """A text and its score: natural logarithm of its probability, with any bonus."""

    text: str
    score: float


@dataclass(frozen=True)
class Part:
    """A piece of the file.

    Attributes:
        start: Second it begins at.
        end: Second it ends at.
        words: The words in order.
        alternatives: The best texts of this piece, the one of ``words`` first; without
            a beam that one alone.
    """

    start: float
    end: float
    words: tuple[Word, ...]
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Transcript:
    """What was recognised in a file.

    Attributes:
        file: Its path.
        seconds: Its length.
        parts: Its pieces in order.
        notes: What was done to the audio.
        calibrated: Whether confidence was calibrated on a dev set.
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
        return " ".join(word.text for word in self.words)
