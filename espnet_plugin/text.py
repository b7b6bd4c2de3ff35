"""Clean transcripts: plain spaces, no invisible characters, one Unicode normal form.

Invisible differences must not affect what a model learns. A no-break space would be a
token of its own and a decomposed "é" two tokens, and ESPnet's readers strip or split at
some of these characters.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Callable, Iterable, Mapping, Optional

__all__ = [
    "JOINERS",
    "clean_text",
    "count_cleaned",
    "id_problem",
    "is_invisible",
    "is_unspaced_letter",
    "list_form",
    "mixed_scripts",
    "mostly_unspaced",
    "symbols_in",
    "text_problem",
    "what_is_cleaned",
]

# ZERO WIDTH NON-JOINER and JOINER: invisible, but Persian and Indic scripts spell with
# them, and emoji.
JOINERS = "\u200c\u200d"
# Format characters that are visible, so that they are text: Arabic signs before
# numbers, the end of a verse, Kaithi and Syriac marks.
_DRAWN = {0x0600, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x06DD, 0x070F, 0x08E2}
_DRAWN |= {0x0890, 0x0891, 0x110BD, 0x110CD}
# Invisible fillers and blanks that are neither format characters nor white space.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
# Variation selectors, which change the form of the preceding character.
_SELECTORS = (
    range(0x180B, 0x1810),
    range(0xFE00, 0xFE10),
    range(0xE0100, 0xE01F0),
)
# Letters, marks and digits of scripts without spaces between words, first and last
# code points. Punctuation and symbols of Chinese and Japanese are between the ranges.
# The page's words.js has the same ranges.
_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x109F),  # Tibetan, Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1980, 0x19DF),  # New Tai Lue
    (0x1A00, 0x1AAF),  # Buginese, Tai Tham
    (0x2E80, 0x2FDF),  # radicals of Chinese signs
    (0x3005, 0x3007),  # repeated sign, closing mark, zero
    (0x3021, 0x302F),  # Hangzhou numerals, tone marks
    (0x3031, 0x3035),  # repeated kana
    (0x3038, 0x303C),
    (0x3040, 0x312F),  # kana, Bopomofo
    (0x31A0, 0x31BF),  # Bopomofo
    (0x31F0, 0x31FF),  # kana
    (0x3400, 0x4DBF),  # Chinese signs
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),  # Burmese
    (0xAA60, 0xAADF),  # Burmese, Tai Viet
    (0xF900, 0xFAFF),  # Chinese signs
    (0xFF66, 0xFF9F),  # halfwidth kana
    (0x1AFF0, 0x1B16F),  # kana
    (0x20000, 0x3FFFF),  # Chinese signs
)
_UNSPACED = re.compile(
    "[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in _UNSPACED_RANGES) + "]"
)
# <noise>, [laugh], {cough}, and SentencePiece's space.
_SYMBOL = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]|\{[^{}\s]+\}|\u2581")


# Scripts that share letter shapes: first words of their characters' Unicode names.
_ALIKE = ("LATIN", "CYRILLIC", "GREEK")
_LETTERS = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str:
    name = unicodedata.name(character, "").partition(" ")[0]
    return name if name in _ALIKE else ""


def mixed_scripts(text: str) -> list[str]:
    """Return descriptions of words that mix Latin, Cyrillic and Greek letters.

    Hyphens, digits and other signs separate words: many languages write such compounds.

    Args:
        text: A transcript in composed form (NFC).
    """
    if text.isascii() or len({_script(one) for one in set(text)} - {""}) < 2:
        return []
    found = []
    for word in _LETTERS.findall(text):
        letters: dict[str, str] = {}
        for one in word:
            if script := _script(one):
                letters[script] = letters.get(script, "") + one
        if len(letters) > 1:
            # The script with fewer letters is reported as the wrong one.
            script, odd = min(letters.items(), key=lambda item: len(item[1]))
            points = ", ".join(f"U+{ord(one):04X}" for one in dict.fromkeys(odd))
            found.append(f"{word!r}: {script.capitalize()} {odd} ({points})")
    return found


def is_invisible(character: str) -> bool:
    """Return whether a character is invisible and not white space.

    These are byte order marks, zero-width spaces, soft hyphens, direction marks,
    variation selectors and some fillers, but not the joiners, which some scripts need
    for spelling.
    """
    if character in JOINERS or character.isspace():
        return False
    if character in _BLANK:
        return True
    code = ord(character)
    if any(code in selectors for selectors in _SELECTORS):
        return True
    return unicodedata.category(character) == "Cf" and code not in _DRAWN


def clean_text(text: str, form: str = "NFC") -> str:
    """Return a transcript without invisible characters and irregular spaces.

    Args:
        text: A transcript.
        form: Unicode normal form of the result, ``NFC`` or ``NFD``.

    Returns:
        ``text`` without invisible characters, in that form, with one plain space for
        each run of white space of any kind, and none at the ends.
    """
    if text.isascii():
        return " ".join(text.split())
    text = "".join(c for c in text if not is_invisible(c))
    return " ".join(unicodedata.normalize(form, text).split())


def what_is_cleaned(text: str) -> list[str]:
    """Describe what :func:`clean_text` removes or replaces, with code points."""
    found = []
    spaces = sorted({c for c in text if c.isspace() and c != " "})
    if spaces:
        found.append(f"white space other than a plain space ({_codes(spaces)})")
    elif text != " ".join(text.split()):
        found.append("several spaces in a row, or some at the end")
    invisible = sorted({c for c in text if is_invisible(c)})
    if invisible:
        found.append(f"invisible characters ({_codes(invisible)})")
    if not unicodedata.is_normalized("NFC", text):
        found.append("characters in another form than NFC (e.g. decomposed accents)")
    return found


def text_problem(text: str) -> Optional[str]:
    """Describe control or replacement characters in a transcript; None if none."""
    if text.isascii() and text.isprintable():
        return None
    bad = sorted({c for c in text if _is_damage(c)})
    if not bad:
        return None
    if any("\x80" <= c <= "\x9f" for c in bad):
        hint = "a Windows code page read as Latin-1: convert it with iconv -f CP1252"
    elif "\ufffd" in bad:
        hint = "an earlier conversion could not read these characters"
    else:
        hint = "the file is damaged, or binary"
    return f"{text!r} has control or replacement characters ({_codes(bad)}): {hint}"


def _is_damage(character: str) -> bool:
    if character.isspace():
        return False
    category = unicodedata.category(character)
    # Noncharacters such as U+FFFF are unassigned, as new letters may be.
    return (
        category in ("Cc", "Cs")
        or character == "\ufffd"
        or (ord(character) & 0xFFFE) == 0xFFFE
    )


def id_problem(name: str) -> Optional[str]:
    """Describe why a string cannot be an utterance or speaker id; None if it can."""
    if name.isascii() and name.isprintable():
        return None
    bad = sorted({c for c in name if _is_damage(c) or is_invisible(c)})
    if bad:
        return f"the name {name!r} has invisible characters ({_codes(bad)})"
    return None


def symbols_in(text: str) -> list[str]:
    """Return the symbols in a text that are not speech: ``<noise>``, ``[laugh]``."""
    return _SYMBOL.findall(text)


def list_form(tokens: Iterable[str]) -> str:
    """Return the Unicode normal form of a token list: ``NFD`` or ``NFC``."""
    text = "".join(tokens)
    composed = unicodedata.normalize("NFD", text) != text
    # The letters of a decomposed Korean syllable are no combining marks.
    marks = any(unicodedata.combining(c) or "\u1160" <= c <= "\u11ff" for c in text)
    return "NFD" if marks and not composed else "NFC"


def is_unspaced_letter(letter: str) -> bool:
    """Return whether a character belongs to a script without spaces between words.

    Such scripts are those of Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan and
    some languages near them. Their marks and digits count, CJK punctuation does not.

    Args:
        letter: One character.
    """
    return bool(_UNSPACED.match(letter))


def mostly_unspaced(texts: Iterable[str]) -> bool:
    """Return whether most letters belong to scripts without spaces between words.

    The text between two punctuation marks would then count as one word, which a single
    wrong letter makes wrong. See :func:`is_unspaced_letter` for the scripts.
    """
    letters = unspaced = 0
    for text in texts:
        if text.isascii():
            letters += len(text)
            continue
        for character in text:
            if character.isalpha():
                letters += 1
                unspaced += is_unspaced_letter(character)
    return 2 * unspaced > letters


def _codes(characters: Iterable[str]) -> str:
    return ", ".join(
        f"U+{ord(c):04X} {unicodedata.name(c, '')}".strip() for c in characters
    )


def count_cleaned(
    texts: Mapping[str, str], say: Callable[[str, int, str], None]
) -> dict[str, str]:
    """Clean all transcripts of a set.

    Args:
        texts: Transcripts by utterance.
        say: Called with a description, the number of transcripts to which it applies,
            and the id of the first of them.

    Returns:
        The cleaned transcripts by utterance.
    """
    cleaned, counts = {}, {}
    for utt, text in texts.items():
        cleaned[utt] = clean_text(text)
        if cleaned[utt] != text:
            for what in what_is_cleaned(text):
                number, first = counts.get(what, (0, utt))
                counts[what] = number + 1, first
    for what, (number, first) in counts.items():
        say(what, number, first)
    return cleaned
