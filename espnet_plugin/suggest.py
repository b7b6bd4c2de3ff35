"""Suggest the most similar known word for an unknown word."""

from difflib import get_close_matches
from typing import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(given: str, known: Iterable[str], dashes: str = "") -> str:
    """Return a question to append to a message; empty if no word is similar.

    Args:
        given: The unknown word.
        known: The known words.
        dashes: Prefix of the suggested word.
    """
    near = get_close_matches(given, list(known), n=1)
    if not near:
        near = get_close_matches(given.lower(), list(known), n=1)
    return f"; did you mean {dashes}{near[0]}?" if near else ""
