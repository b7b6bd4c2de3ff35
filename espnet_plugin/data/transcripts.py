"""Find transcripts that stage 2 refuses: tokens cannot spell them correctly."""

from typing import Callable, Collection

from espnet_plugin.text import symbols_in

__all__ = ["check_symbols", "check_text", "rewritten"]


def check_text(
    text: dict[str, str], tokenize: Callable[[str], list[str]], known: set[str]
) -> dict[str, str]:
    """Return a message by utterance for transcripts with unknown characters."""
    problems = {}
    for utt, words in text.items():
        unknown = sorted(set(tokenize(words)) - known)
        if unknown:
            problems[utt] = f"{words!r} has {unknown}, which is not in the token list"
    return problems


def check_symbols(text: dict[str, str], listed: Collection[str]) -> dict[str, str]:
    """Return a message by utterance for symbols that would be spelled as letters.

    Args:
        text: Transcripts by utterance.
        listed: Non-linguistic symbols that are tokens of their own. If a single bracket
            is one of them, brackets are treated as ordinary characters.
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
    """Return the rewritten text of transcripts that tokens do not reproduce exactly.

    SentencePiece's usual models first replace some characters by others: a ligature by
    its letters, an ellipsis by three dots.

    Args:
        text: Transcripts by utterance.
        tokenize: Converts a transcript to tokens.
        join: Converts tokens to a transcript.
    """
    found = {}
    for utt, words in text.items():
        back = join(tokenize(words))
        if back != words:
            found[utt] = back
    return found
