"""Scripts that are written without spaces between words."""

import re
import unicodedata
from typing import Sequence

__all__ = ["JOINER", "belongs_to_letter", "divided", "is_unspaced"]

# Letters of Thai, Lao, Tibetan, Myanmar, Khmer, Japanese and Chinese.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007"
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff]"
)
JOINER = "\u200d"  # makes one emoji of two
_SKIN_TONES = "".join(map(chr, range(0x1F3FB, 0x1F400)))


def is_unspaced(letter: str) -> bool:
    """Return whether a letter is of a script without spaces."""
    return bool(_UNSPACED.match(letter))


def belongs_to_letter(letter: str) -> bool:
    """Return whether a character is a part of the one before it, as an accent is."""
    mark = unicodedata.category(letter).startswith("M")
    return mark or letter == JOINER or letter in _SKIN_TONES


def divided(letters: Sequence[str]) -> list[int]:
    """Return where the words of a text without spaces are taken to begin.

    Each letter of a script without spaces is one, with its accents and the punctuation
    after it; so is what stands between two such letters, such as a name in Latin
    letters.

    Args:
        letters: The characters.

    Returns:
        Positions of the first characters, beginning with 0.
    """
    starts: list[int] = []
    unspaced = False  # whether the last word has a letter of such a script
    for place, letter in enumerate(letters):
        new = is_unspaced(letter) and not belongs_to_letter(letter)
        if not starts or ((new or unspaced) and _begins(letters[place - 1], letter)):
            starts.append(place)
            unspaced = False
        unspaced = unspaced or new
    return starts


def _begins(before: str, letter: str) -> bool:
    """Return whether a letter may begin a word, if no space is before it."""
    if belongs_to_letter(letter) or before == JOINER:
        return False
    kinds = unicodedata.category(before), unicodedata.category(letter)
    return kinds[0] not in ("Ps", "Pi") and kinds[1] not in ("Pe", "Pf", "Po")
