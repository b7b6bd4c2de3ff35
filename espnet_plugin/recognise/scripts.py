"""Dividing text of scripts that are written without spaces between words."""

import unicodedata
from typing import Sequence

from espnet_plugin.text import is_unspaced_letter

__all__ = ["JOINER", "belongs_to_letter", "divided"]

JOINER = "\u200d"  # makes one emoji of two
_SKIN_TONES = "".join(map(chr, range(0x1F3FB, 0x1F400)))


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
        new = is_unspaced_letter(letter) and not belongs_to_letter(letter)
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
