"""Recognise transcripts that are in another format than Kaldi's ``text``.

Such a file can often be read as a Kaldi table as well, and then gives a wrong score
instead of an error.
"""

import re
from typing import Callable, Mapping, Optional

__all__ = ["name_format", "unlike_words"]

_TIME = r"\d+\.\d+"
_FORMATS = {
    "a NIST transcript (trn: words, then the name in brackets)": re.compile(
        r"(?:.*\s)?\((\S+)\)"
    ),
    "a NIST ctm file (name, channel, start, duration, word)": re.compile(
        rf"\S+\s+\S+\s+{_TIME}\s+{_TIME}\s+\S+(?:\s+\S+)?"
    ),
    "a NIST stm file (name, channel, speaker, start, end, label, words)": re.compile(
        rf"\S+\s+\S+\s+\S+\s+{_TIME}\s+{_TIME}\b.*"
    ),
}
# In fewer lines, all words in brackets may differ by chance.
_FEWEST_NAMES = 3
_TOKENS: Mapping[str, Callable[[str], bool]] = {
    "are the symbol <space>, as in a file of characters": "<space>".__eq__,
    "begin with \u2581, as in a file of BPE tokens": lambda word: word[0] == "\u2581",
}


def name_format(table: Mapping[str, str]) -> Optional[str]:
    """Name the format of a file that was read as a Kaldi table.

    Args:
        table: Rest of each line by its first word.

    Returns:
        The format in words, if every line has its form; None if not.
    """
    lines = [f"{name} {rest}".strip() for name, rest in table.items()]
    for words, form in _FORMATS.items():
        found = [form.fullmatch(line) for line in lines]
        if not found or None in found:
            continue
        names = {match[1] for match in found if match.groups()}
        # A transcript may end in a word in brackets, but each in another one?
        if not names or len(lines) == len(names) >= _FEWEST_NAMES:
            return words
    return None


def unlike_words(texts: Mapping[str, str]) -> Optional[str]:
    """Say why transcripts seem to consist of tokens instead of words; None if not.

    Args:
        texts: Transcripts by utterance.
    """
    words = [word for text in texts.values() for word in text.split()]
    for said, is_one in _TOKENS.items():
        if count := sum(map(is_one, words)):
            return f"{count} of {len(words)} words {said}"
    return None
