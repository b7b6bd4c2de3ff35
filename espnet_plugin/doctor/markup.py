"""Find parts of transcripts that nobody spoke, and wrongly decoded letters."""

import re
import unicodedata
from typing import Collection, Iterator

__all__ = ["compatibility_letters", "markup_in", "wrongly_decoded"]

# Most transcripts have none of these signs, and are not searched further.
_SUSPECT = re.compile(r'[%()<>\[\]{}+&\\*"/]|-->|@@|\d:\d\d|^\S+:|^\S+$')
# None of them takes quadratic time on a long line.
_RULES = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"\(\([^()]*\)\)", "speech that was hard to understand"),
        (r"\([^()]*\)", "words in parentheses"),
        (r"(?<!\S)%\w+", "a hesitation"),
        (r"\+\+[^\s+]+\+\+", "a noise"),
        (r"&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});", "an entity of HTML"),
        (r"\\\S?", "a backslash"),
        (r"-->|\d{1,3}:\d\d:\d\d(?:[.,]\d{1,6})?|\d{1,3}:\d\d[.,]\d", "a time"),
        (r"[<>\[\]{}]", "a bracket"),
        (r"(?<!\S)\*\S|\S\*(?!\S)", "an asterisk"),
        (r"\S@@(?!\S)", "a piece of a word, as subword-nmt writes it"),
        (r'""|^".*"$', "quotation marks of a table"),
        (r"^(?i:speaker|spk)\W?\w{0,3}:", "the name of a speaker"),
        (
            r"/[^\s/]{1,200}\.(?:wav|flac|mp3|ogg|opus|m4a|sph|npy|ark)\b",
            "the name of a file",
        ),
        (r"^(?:nan|NaN|None|NULL|null|<NA>|N/A)$", "an empty cell of a table"),
    )
)
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_LETTER = re.compile(r"[^\W_]")
# Full-width letters and digits; half-width kana; Latin ligatures; Arabic and Hebrew
# letters in a fixed form, without the signs that only exist so; letters of formulas.
_COMPATIBILITY = re.compile(
    "[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f\ufb00-\ufb06\ufb20-\ufb29"
    "\ufb50-\ufbb1\ufbd3-\ufd3d\ufe70-\ufefc\U0001d400-\U0001d7ff]+"
)
# First byte of a letter in UTF-8, read as a letter of a Windows code page.
_FIRST_BYTE = {"cp1252": re.compile("[\u00c3-\u00e9]"), "cp1251": re.compile("[РС]")}
# Letters that UTF-8 writes with such a byte, by code page. Few words in capital letters
# that end with a quotation mark would also be some UTF-8, but of other scripts.
_PLAUSIBLE = {
    "cp1252": re.compile(
        "[\u00c0-\u017f\u0370-\u04ff\u05d0-\u06ff\u0900-\u0eff\u2010-\u2026"
        "\u3040-\u30ff\u4e00-\u9fff]"
    ),
    "cp1251": re.compile("[\u0410-\u044f].?[\u0410-\u044f]"),
}
_END_SIGNS = "\u201d\u2019\u00bb\u2026\u2013\u2014"


def markup_in(text: str, symbols: Collection[str]) -> Iterator[str]:
    """Yield descriptions of what is in a transcript, although nobody says it.

    Args:
        text: A transcript without the symbols that are expected or already reported.
        symbols: Expected symbols; signs that are listed alone are ordinary characters.
    """
    if not _LETTER.search(text):
        if text:
            yield f"{text!r} has no letter and no digit"
        return
    if not text.isascii() and (match := _PRIVATE.search(text)):
        yield f"U+{ord(match[0]):04X}, a character without a general meaning"
    if not _SUSPECT.search(text):
        return
    for pattern, what in _RULES:
        match = pattern.search(text)
        if match is not None and match[0][:1] not in symbols:
            yield f"{match[0]!r}, {what}"
            text = pattern.sub(" ", text)


def wrongly_decoded(text: str) -> Iterator[str]:
    """Yield descriptions of words whose UTF-8 was read as a Windows code page."""
    if text.isascii():
        return
    for code, first in _FIRST_BYTE.items():
        if not first.search(text):
            continue
        for word in text.split():
            word = word.strip(_END_SIGNS)
            if word.isascii() or not first.search(word):
                continue
            try:
                right = word.encode(code).decode()
            except UnicodeError:
                continue
            if _PLAUSIBLE[code].search(right):
                yield f"{word!r} should be {right!r}"


def compatibility_letters(text: str) -> Iterator[str]:
    """Yield descriptions of letters and digits that exist for old codes only."""
    if text.isascii():
        return
    for found in dict.fromkeys(_COMPATIBILITY.findall(text)):
        usual = unicodedata.normalize("NFKC", found)
        if usual != found:
            yield f"{found!r}, usually written {usual!r}"
