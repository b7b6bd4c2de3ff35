"""The nearest right spelling of a word that is not known."""

from difflib import get_close_matches
from typing import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(given: str, known: Iterable[str], dashes: str = "") -> str:
    """Return a question that follows a message, or nothing if no word is near.

    Args:
        given: The misspelt word.
        known: The words that are right.
        dashes: Put in front of the word that is suggested.
    """
    near = get_close_matches(given, list(known), n=1)
    if not near:
        near = get_close_matches(given.lower(), list(known), n=1)
    return f"; did you mean {dashes}{near[0]}?" if near else ""
