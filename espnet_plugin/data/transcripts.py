"""Transcripts that stage 2 refuses: what the tokens cannot spell, or would misspell."""

from typing import Callable, Collection

from espnet_plugin.text import symbols_in

__all__ = ["check_symbols", "check_text", "rewritten"]


def check_text(
    text: dict[str, str], tokenize: Callable[[str], list[str]], known: set[str]
) -> dict[str, str]:
    """Return what is wrong with transcripts, by utterance: unknown characters."""
    problems = {}
    for utt, words in text.items():
        unknown = sorted(set(tokenize(words)) - known)
        if unknown:
            problems[utt] = f"{words!r} has {unknown}, which is not in the token list"
    return problems


def check_symbols(text: dict[str, str], listed: Collection[str]) -> dict[str, str]:
    """Return transcripts with a symbol that would be spelled as letters, by utterance.

    Args:
        text: Transcripts.
        listed: Non-linguistic symbols that are tokens of their own. With a bracket
            alone among them, brackets are characters like others.
    """
    problems = {}
    for utt, words in text.items():
        found = sorted(set(symbols_in(words)) - set(listed))
        found = [symbol for symbol in found if symbol[0] not in listed]
        if found:
            problems[utt] = (
                f"{words!r} has {', '.join(found)}, which would be spelled letter by "
                "letter: list it in the file given to --nlsyms, one symbol per line, "
                "or remove it"
            )
    return problems


def rewritten(
    text: dict[str, str],
    tokenize: Callable[[str], list[str]],
    join: Callable[[list[str]], str],
) -> dict[str, str]:
    """Return what tokens make of transcripts that they do not spell as they are.

    SentencePiece's usual models replace characters by others before they spell: a
    ligature by its letters, three dots by an ellipsis's.

    Args:
        text: Transcripts by utterance.
        tokenize: Transcript to tokens.
        join: Tokens to transcript.
    """
    found = {}
    for utt, words in text.items():
        back = join(tokenize(words))
        if back != words:
            found[utt] = back
    return found
