"""Contextual words: when the bonus is given and taken back, and bad lists."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.hotwords import Hotwords, Phrase, read_hotwords
from espnet_plugin.recognise.vocabulary import Vocabulary

CHARS = Vocabulary(("<blank>", "<unk>", "<space>", *"ABCDEN", "<sos/eos>"), "char")
PIECES = Vocabulary(
    ("<blank>", "<unk>", "\u2581", "\u2581AN", "N", "A", "\u2581B", "E", "<0x41>"),
    "bpe",
)


def bonuses(hotwords, vocabulary, tokens):
    """The bonus after each token."""
    match, values = hotwords.start(), []
    for token in tokens:
        match = hotwords.advance(match, vocabulary.tokens.index(token))
        values.append(match.bonus)
    return values, hotwords.finish(match)


def spell(text):
    return ["<space>" if letter == " " else letter for letter in text]


def test_a_word_gathers_its_bonus_and_loses_it_if_another_one_comes():
    ann = Hotwords([Phrase("ANN", 2.0)], CHARS)
    assert bonuses(ann, CHARS, spell("ANN")) == ([2.0, 4.0, 6.0], 6.0)
    # Broken off, and a longer word.
    assert bonuses(ann, CHARS, spell("AND")) == ([2.0, 4.0, 0.0], 0.0)
    assert bonuses(ann, CHARS, spell("ANNE")) == ([2.0, 4.0, 6.0, 0.0], 0.0)
    # Not yet complete when the text ends.
    assert bonuses(ann, CHARS, spell("AN")) == ([2.0, 4.0], 0.0)
    # Within a word it does not begin.
    assert bonuses(ann, CHARS, spell("BANN")) == ([0.0] * 4, 0.0)
    # Kept once the word has ended, and given again.
    values, total = bonuses(ann, CHARS, spell("ANN  ANN"))
    assert values == [2.0, 4.0, 6.0, 6.0, 6.0, 8.0, 10.0, 12.0] and total == 12.0


def test_phrases_share_their_beginning_and_may_overlap():
    phrases = [Phrase("A B", 1.0), Phrase("A", 0.5), Phrase("B C", 1.0)]
    values, total = bonuses(Hotwords(phrases, CHARS), CHARS, spell("A B C"))
    # "A" is complete at the first space and "A B" at the second; each keeps its own.
    assert values == [1.0, 2.5, 3.5, 5.5, 6.5] and total == 6.5


def test_shares_without_a_leap():
    phrases = [Phrase("A B", 1.0), Phrase("A", 0.5), Phrase("B C", 1.0)]
    even = Hotwords(phrases, CHARS, even=True)
    values, total = bonuses(even, CHARS, spell("A B C"))
    assert values == pytest.approx([3.5 / 3, 7 / 3, 3.5, 5.5, 6.5]) and total == 6.5
    # Only "A" is said in the end.
    assert bonuses(even, CHARS, spell("A D"))[1] == 0.5


def test_a_bpe_word_counts_in_any_pieces():
    ann = Hotwords([Phrase("ANN", 1.0)], PIECES)
    assert bonuses(ann, PIECES, ["\u2581AN", "N"]) == ([2.0, 3.0], 3.0)
    assert bonuses(ann, PIECES, ["\u2581", "A", "N", "N"])[1] == 3.0
    # The first piece of a text may lack the space.
    assert bonuses(ann, PIECES, ["A", "N", "N", "\u2581B"]) == (
        [1.0, 2.0, 3.0, 3.0],
        3.0,
    )
    assert bonuses(ann, PIECES, ["\u2581AN", "N", "E"])[1] == 0.0


def write(tmp_path, text):
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_is_read_with_its_weights(tmp_path):
    path = write(tmp_path, "\ufeffANN\n\n# a comment\n  # another\nA  B C :0.25\n  D\n")
    phrases = read_hotwords(path, 1.5)
    assert [(p.text, p.weight) for p in phrases] == [
        ("ANN", 1.5),
        ("A B C", 0.25),
        ("D", 1.5),
    ]
    assert phrases[1].source == f"{path}:5"


@pytest.mark.parametrize(
    "content, message",
    [
        ("ANN\nBE :heavy\n", r"words.txt:2: weight 'heavy' must be a number above 0"),
        ("ANN :0\n", r":1: weight '0'"),
        ("ANN :nan\n", r":1: weight 'nan'"),
        ("ANN :1001\n", r":1: weight '1001' .*at most 1000"),
        ("ANN\nBE\nANN :2\n", r":3: 'ANN' is listed twice"),
        ("\n# only that\n", "contains no words"),
    ],
)
def test_bad_lists(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_hotwords(write(tmp_path, content))


def test_missing_and_unreadable_lists(tmp_path):
    with pytest.raises(UserError, match="none.txt cannot be read"):
        read_hotwords(tmp_path / "none.txt")
    path = tmp_path / "latin.txt"
    path.write_bytes(b"Z\xfcrich\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_hotwords(path)
    with pytest.raises(UserError, match="--hotword_weight -1"):
        read_hotwords(write(tmp_path, "A\n"), -1)


@pytest.mark.parametrize(
    "vocabulary, text, message",
    [
        (CHARS, "ANN BOB", "cannot write 'O' of 'ANN BOB'.*remove the line"),
        (CHARS, "ann", "cannot write 'a' of 'ann'.*write 'ANN'"),
        (PIECES, "ANN Q", "cannot write 'Q'"),
        # Each letter is there, but no piece begins a word with "E".
        (Vocabulary(("<blank>", "\u2581A", "E"), "bpe"), "A EA", "cannot write 'EA'"),
        (Vocabulary(("<blank>", "YES"), "word"), "YES MAY", "cannot write 'M'"),
        # Without <space> a model of characters writes one word.
        (Vocabulary(("<blank>", "A", "B")), "A B", "cannot write ' ' of 'A B'"),
        # An accent of its own, as macOS writes it, and one letter in the tokens.
        (Vocabulary(("<blank>", "\u00e9")), "e\u0301", ".*Unicode's form NFC"),
    ],
)
def test_words_that_the_model_cannot_write(vocabulary, text, message):
    with pytest.raises(UserError, match=f"list:7: the model {message}"):
        Hotwords([Phrase(text, 1.0, "list:7")], vocabulary)


def test_scripts_without_spaces():
    """A phrase counts wherever its letters are, as no space says where words end."""
    letters = "\u65e5\u672c\u8a9e\u306e\u0e01\u0e49\u0e32AN"
    vocabulary = Vocabulary(("<blank>", "<unk>", "<space>", *letters), "char")
    japan, japanese = "\u65e5\u672c", "\u65e5\u672c\u8a9e"
    one = Hotwords([Phrase(japan, 1.0)], vocabulary)
    values, total = bonuses(one, vocabulary, spell(f"\u306e{japanese}\u306e{japan}"))
    assert values == [0.0, 1.0, 2.0, 2.0, 2.0, 3.0, 4.0] and total == 4.0
    # Broken off; beside words of another script; before a space.
    assert bonuses(one, vocabulary, spell("\u65e5\u306e"))[1] == 0.0
    assert bonuses(one, vocabulary, spell(f"AN{japan}AN {japan} {japan}"))[1] == 6.0
    # A longer phrase, in which the shorter one is as well.
    both = Hotwords([Phrase(japan, 1.0), Phrase(japanese, 1.0)], vocabulary)
    assert bonuses(both, vocabulary, spell(japanese))[1] == 2.0 + 3.0
    # Words with spaces still count as a whole, and a mark belongs to its letter.
    latin = Hotwords([Phrase("A", 1.0)], vocabulary)
    assert bonuses(latin, vocabulary, spell("AN"))[1] == 0.0
    assert bonuses(latin, vocabulary, spell("\u306eA\u306e"))[1] == 1.0
    thai = Hotwords([Phrase("\u0e01", 1.0)], vocabulary)
    assert bonuses(thai, vocabulary, spell("\u0e01\u0e32\u0e01\u0e49"))[1] == 1.0
