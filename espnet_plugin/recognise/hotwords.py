"""Contextual words: a bonus in the beam search for words that the user expects."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.vocabulary import Vocabulary
from espnet_plugin.text import is_unspaced_letter

__all__ = ["DEFAULT_WEIGHT", "Hotwords", "Match", "Phrase", "read_hotwords"]

# In natural-log units per letter; the best value on AN4's dev set (docs/recognise.md).
DEFAULT_WEIGHT = 1.0
# A few are enough for a word to win everywhere; JSON cannot write sums beyond 1e308.
_MOST_WEIGHT = 1000.0
_WEIGHT = re.compile(r"^(?P<phrase>.*?)\s+:(?P<weight>\S+)$")


@dataclass(frozen=True)
class Phrase:
    """A word or several words, and the bonus for each letter (or space).

    Attributes:
        text: Words separated by one space.
        weight: Bonus per letter in natural-log units, above zero.
        source: File and line, for messages.
    """

    text: str
    weight: float
    source: str = ""

    @property
    def bonus(self) -> float:
        """Bonus of the whole phrase in natural-log units."""
        return self.weight * len(self.text)


@dataclass(frozen=True)
class Match:
    """The phrases that a prefix contains, completely or in part.

    Attributes:
        earned: Bonus of the complete phrases.
        begun: Nodes of the prefix tree, one for each phrase that has begun.
        at_boundary: Whether the text begins here, or a space was last.
        unspaced: Whether the last letter is of a script that has no spaces, so that a
            word may begin here.
        bonus: ``earned`` plus the largest partial bonus of the phrases that have begun.
    """

    earned: float
    begun: tuple[int, ...]
    at_boundary: bool
    unspaced: bool
    bonus: float


class Hotwords:
    """A prefix tree of phrases over letters.

    A phrase only matches whole words: "ANN" begins where a word begins and is complete
    where that word ends. Until then each letter adds its share of the bonus, so that
    the prefix stays in the beam. If the text continues differently, this share is
    removed. So the bonus of a finished text is the sum over all places where a phrase
    occurs in it as whole words. In scripts without spaces (Chinese, Japanese, Thai...)
    a word may begin and end at any letter. Letters are compared, not tokens, so a BPE
    model may split a word in any way.

    Args:
        phrases: The phrases, at least one.
        vocabulary: The tokens of the model.
        even: Whether the bonus of a phrase that begins with shorter ones ("NEW YORK",
            "NEW YORK CITY"), which earn their own on the way, is divided evenly among
            its letters. Otherwise there is a leap where the shorter one ends, by which
            a search that compares scores loses all other texts. One that keeps a
            number of prefixes, as ours, finds less with it (AN4, large weights).

    Raises:
        UserError: If the model cannot write a phrase.
    """

    def __init__(
        self, phrases: Sequence[Phrase], vocabulary: Vocabulary, even: bool = False
    ):
        self._pieces = vocabulary.pieces
        self._children: list[dict[str, int]] = [{}]
        self._partial = [0.0]
        self._complete = [0.0]
        self._moves: dict[tuple, tuple[float, tuple[int, ...], bool, bool, float]] = {}
        paths = []
        for phrase in phrases:
            _check(phrase, vocabulary)
            paths.append(self._insert(phrase))
        for phrase, path in zip(phrases, paths):
            self._share(phrase, path, even)

    def _insert(self, phrase: Phrase) -> list[int]:
        """Add the nodes of a phrase; return the one of each letter."""
        node, path = 0, []
        for letter in phrase.text:
            node = self._children[node].setdefault(letter, len(self._children))
            if node == len(self._children):
                self._children.append({})
                self._partial.append(0.0)
                self._complete.append(0.0)
            path.append(node)
        self._complete[node] = max(self._complete[node], phrase.bonus)
        return path

    def _share(self, phrase: Phrase, path: list[int], even: bool) -> None:
        """Give each letter its share of what the phrase earns in the end."""
        earned = [0.0]  # before each letter, by shorter phrases
        for node, last, letter in zip(path, phrase.text, phrase.text[1:]):
            ends = letter == " " or _is_between(last, letter)
            earned.append(earned[-1] + (self._complete[node] if ends else 0.0))
        share = (earned[-1] + self._complete[path[-1]]) / len(path)
        for depth, (node, before) in enumerate(zip(path, earned), 1):
            # For phrases with a common beginning, the larger bonus applies.
            partial = share * depth - before if even else phrase.weight * depth
            self._partial[node] = max(self._partial[node], partial)

    def start(self) -> Match:
        """Return the match of the empty prefix."""
        return Match(0.0, (), True, False, 0.0)

    def advance(self, match: Match, token: int) -> Match:
        """Return the match after one more token."""
        key = (match.begun, match.at_boundary, match.unspaced, token)
        move = self._moves.get(key)
        if move is None:
            move = self._moves[key] = self._move(match, self._pieces[token])
        earned, begun, at_boundary, unspaced, partial = move
        earned += match.earned
        return Match(earned, begun, at_boundary, unspaced, earned + partial)

    def finish(self, match: Match) -> float:
        """Return the bonus of a text that ends here: its last word is complete."""
        return match.earned + self._completed(match.begun)

    def _move(self, match: Match, piece: str):
        earned, begun, at_boundary = 0.0, match.begun, match.at_boundary
        unspaced = match.unspaced
        for letter in piece:
            if letter != " ":
                new = is_unspaced_letter(letter)
                between = (new or unspaced) and not _is_mark(letter)
                if between:
                    earned += self._completed(begun)
                places = (*begun, 0) if at_boundary or between else begun
                begun, at_boundary = self._follow(places, letter), False
                unspaced = new
            elif not at_boundary:  # repeated spaces count as one
                earned += self._completed(begun)
                begun, at_boundary = self._follow(begun, letter), True
                unspaced = False
        partial = max((self._partial[place] for place in begun), default=0.0)
        return earned, begun, at_boundary, unspaced, partial

    def _follow(self, places: Iterable[int], letter: str) -> tuple[int, ...]:
        following = (self._children[place].get(letter) for place in places)
        return tuple(place for place in following if place is not None)

    def _completed(self, begun: tuple[int, ...]) -> float:
        return sum(self._complete[place] for place in begun)


def read_hotwords(
    path: Union[str, Path], default_weight: float = DEFAULT_WEIGHT
) -> list[Phrase]:
    """Read one word or phrase per line, with an optional weight after `` :``.

    Example::

        PITTSBURGH
        FOREST HILLS :0.5

    Empty lines and lines that begin with ``#`` are skipped.

    Raises:
        UserError: If the file is missing or has no phrase, a weight is not a number
            above zero, or a phrase is listed twice.
    """
    path = Path(path)
    if not 0 < default_weight <= _MOST_WEIGHT:
        raise UserError(
            f"--hotword_weight {default_weight:g}: must be above 0 and at most "
            f"{_MOST_WEIGHT:g}"
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UserError(
            f"--hotwords {path} cannot be read ({error.strerror}): give a text file "
            "with one word or phrase per line"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"--hotwords {path} is not UTF-8 text: {error}") from error
    phrases: dict[str, Phrase] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        source = f"{path}:{number}"
        text, weight = _split(line.strip(), source, default_weight)
        if text in phrases:
            raise UserError(f"{source}: {text!r} is listed twice; keep one line")
        phrases[text] = Phrase(text, weight, source)
    if not phrases:
        raise UserError(
            f"--hotwords {path} contains no words: write one word or phrase per line, "
            "or leave the option out"
        )
    return list(phrases.values())


def _split(line: str, source: str, default: float) -> tuple[str, float]:
    match = _WEIGHT.match(line)
    if match is None:
        return " ".join(line.split()), default
    try:
        weight = float(match["weight"])
    except ValueError:
        weight = float("nan")
    if not 0 < weight <= _MOST_WEIGHT:
        raise UserError(
            f"{source}: weight {match['weight']!r} must be a number above 0 (at most "
            f"{_MOST_WEIGHT:g}), in natural-log units per letter, e.g. PITTSBURGH :0.5"
        )
    return " ".join(match["phrase"].split()), weight


def _check(phrase: Phrase, vocabulary: Vocabulary) -> None:
    """Check that some sequence of tokens spells a phrase."""
    lost = _unwritable(phrase.text, vocabulary)
    if lost is None:
        return
    where = f"{phrase.source}: " if phrase.source else ""
    way_out = "remove the line, or spell the word with characters that the model knows"
    for form in ("NFC", "NFD"):
        if _unwritable(unicodedata.normalize(form, phrase.text), vocabulary) is None:
            way_out = (
                f"the model's tokens spell it in Unicode's form {form}: convert the "
                f"file, e.g. uconv -x {form} FILE"
            )
    for other in (phrase.text.upper(), phrase.text.lower()):
        if _unwritable(other, vocabulary) is None:
            way_out = f"write {other!r}, because case matters for the model's tokens"
    raise UserError(
        f"{where}the model cannot write {lost!r} of {phrase.text!r}: its "
        f"{len(vocabulary.tokens)} tokens ({vocabulary.kind}) cannot spell it; "
        f"{way_out}"
    )


def _is_mark(letter: str) -> bool:
    """Tell whether a letter is a part of the one before it, as a vowel of Thai is."""
    return unicodedata.category(letter)[0] == "M"


def _is_between(last: str, letter: str) -> bool:
    """Tell whether a word ends between two letters that have no space between them."""
    return (is_unspaced_letter(last) or is_unspaced_letter(letter)) and not _is_mark(
        letter
    )


def _unwritable(text: str, vocabulary: Vocabulary) -> Optional[str]:
    """Return the first letter or word that tokens cannot spell; None if all can."""
    pieces = set(vocabulary.pieces) - {""}
    if vocabulary.kind == "char" and " " in text and " " not in pieces:
        return " "  # without <space>, no two words are written
    longest = max(map(len, pieces), default=0)
    for word in text.split(" "):
        # In SentencePiece, the space is part of the word's first piece.
        marked = word if vocabulary.kind == "char" else f" {word}"
        reached = [True] + [False] * len(marked)
        for end in range(1, len(marked) + 1):
            reached[end] = any(
                reached[begin] and marked[begin:end] in pieces
                for begin in range(max(0, end - longest), end)
            )
        if not reached[-1]:
            single = [letter for letter in word if letter not in "".join(pieces)]
            return single[0] if single else word
    return None
