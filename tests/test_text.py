"""What cannot be seen in a transcript does not decide what is learnt."""

import sys
import unicodedata

import pytest

from espnet_plugin.text import (
    clean_text,
    id_problem,
    is_invisible,
    is_unspaced_letter,
    list_form,
    mixed_scripts,
    mostly_unspaced,
    symbols_in,
    text_problem,
    what_is_cleaned,
)

SPACES = [c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()]


@pytest.mark.parametrize("space", SPACES, ids=lambda c: f"U+{ord(c):04X}")
def test_every_white_space_parts_two_words(space):
    for text in (f"ONE{space}TWO", f" ONE {space} TWO{space}", f"{space}ONE TWO"):
        assert clean_text(text) == "ONE TWO"
    assert what_is_cleaned(f"ONE{space}TWO") or space == " "


def test_there_are_as_many_as_unicode_says():
    # 25 of the property White_Space, and four separators that str.split() takes too.
    assert len(SPACES) == 29


@pytest.mark.parametrize(
    "character",
    "\ufeff\u200b\u00ad\u200e\u200f\u202a\u2060\u2066\u061c\ufe0f\u3164\u180e",
)
def test_invisible_characters_go(character):
    assert is_invisible(character)
    assert clean_text(f"{character}SI{character}X") == "SIX"
    assert clean_text(f"ONE {character} SIX") == "ONE SIX"
    assert "invisible" in what_is_cleaned(f"SI{character}X")[0]
    assert "invisible" in id_problem(f"u{character}1")


def test_joiners_stay_with_which_languages_spell():
    for text in ("می\u200cخواهم", "क\u094d\u200dष"):
        assert clean_text(text) == unicodedata.normalize("NFC", text)
        assert text_problem(text) is None and id_problem(text) is None


def test_the_normal_form():
    assert clean_text("cafe\u0301") == "caf\u00e9" == clean_text("caf\u00e9")
    assert clean_text("caf\u00e9", "NFD") == "cafe\u0301"
    assert "NFC" in what_is_cleaned("cafe\u0301")[0]
    assert list_form(["<blank>", "e", "\u0301"]) == "NFD"
    assert list_form(["<blank>", "\u00e9"]) == list_form(["A", "B"]) == "NFC"
    # Hangul has marks of no class; its syllables are composed.
    assert list_form(["\ud55c", "\uae00"]) == "NFC"


@pytest.mark.parametrize("bad", ["\0", "\x07", "\x92", "\ufffd", "\x7f", "\uffff"])
def test_damage_is_told_from_text(bad):
    assert f"U+{ord(bad):04X}" in text_problem(f"ONE{bad}")
    assert "invisible" in id_problem(f"u{bad}")


def test_text_of_many_scripts_is_text():
    for text in ("GRÜẞ GOTT", "日本語 テスト", "ไทย", "שָׁלוֹם", "देवनागरी", "a-b's 3"):
        assert text_problem(text) is None and clean_text(text) == (
            unicodedata.normalize("NFC", text)
        )


def test_symbols():
    assert symbols_in("A <noise> B [laugh] {cough} <unk>") == [
        "<noise>", "[laugh]", "{cough}", "<unk>"
    ]  # fmt: skip
    assert symbols_in("A < B > C [ ] 3 <= 4") == []


def test_scripts_without_spaces():
    for text in (
        "今天天气很好",
        "今天 天气 很好",
        "东京タワーに行く",
        "สวัสดีครับ",
        "ສະບາຍດີ",
    ):
        assert mostly_unspaced([text]), text
    for text in ("turn left", "한국어 문장", "Привет мир", "नमस्ते", "NHK を"):
        assert not mostly_unspaced([text, "AB"]), text
    assert not mostly_unspaced([])


@pytest.mark.parametrize(
    "script",
    "CJK UNIFIED,HIRAGANA LETTER,KATAKANA LETTER,BOPOMOFO LETTER,THAI CHARACTER,LAO,"
    "TIBETAN,MYANMAR,KHMER,NEW TAI LUE,TAI THAM,TAI VIET,BUGINESE".split(","),
)
def test_all_letters_of_a_script_without_spaces(script):
    names = ((c, unicodedata.name(c, "")) for c in map(chr, range(sys.maxunicode + 1)))
    letters = [c for c, name in names if c.isalpha() and name.startswith(script + " ")]
    assert len(letters) > 20
    wrong = [c for c in letters if not is_unspaced_letter(c)]
    assert not wrong, wrong
    assert all(mostly_unspaced([letter]) for letter in letters)


def test_what_is_no_letter_of_a_script_without_spaces():
    for character in "Aé7 ।한नЖ\u3000\u3001\u3002\u300c\u300d\uff01\u4dc0":
        assert not is_unspaced_letter(character), character


def test_letters_of_two_scripts_in_one_word():
    assert mixed_scripts("HELL\u041e WORLD") == [
        "'HELL\u041e': Cyrillic \u041e (U+041E)"
    ]
    assert mixed_scripts("c\u043b\u043e\u0432\u043e") == [
        "'c\u043b\u043e\u0432\u043e': Latin c (U+0063)"
    ]
    for fine in (
        "plain ASCII",
        "na\u00efve \u0141\u00f3d\u017a",
        "3D-\u043c\u043e\u0434\u0435\u043b\u044c \u0432 Moscow",
        "\u03b1 particles \u03bb=5",
        "\u5361\u62c9OK",
        "",
    ):
        assert mixed_scripts(fine) == []
