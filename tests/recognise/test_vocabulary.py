"""Words of tokens against ESPnet's own tokenizers."""

import numpy as np
import pytest
import sentencepiece
from espnet2.text.build_tokenizer import build_tokenizer

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.vocabulary import Vocabulary, WrittenWord


def check_against(tokenizer, vocabulary, allowed, seed=0):
    """Random sequences: the same text, and each word is what its own tokens write."""
    rng = np.random.default_rng(seed)
    for _ in range(300):
        ids = rng.choice(allowed, size=rng.integers(0, 12)).tolist()
        tokens = [vocabulary.tokens[i] for i in ids]
        expected = " ".join(tokenizer.tokens2text(tokens).split())
        assert vocabulary.text(ids) == expected, tokens
        words = vocabulary.words(ids)
        for word in words:
            assert word.text in vocabulary.text(ids[word.first : word.last + 1])
        # Equal only where a run of bytes holds several words.
        spans = [(word.first, word.last) for word in words]
        assert spans == sorted(spans)


def test_characters():
    tokens = ("<blank>", "<unk>", "<space>", *"ABC'", "\u00dc", "<sos/eos>")
    vocabulary = Vocabulary(tokens, "char")
    check_against(build_tokenizer("char"), vocabulary, range(1, len(tokens) - 1))
    ids = [3, 4, 2, 2, 5]
    assert vocabulary.words(ids) == [WrittenWord("AB", 0, 1), WrittenWord("C", 4, 4)]
    assert vocabulary.silent == {0, len(tokens) - 1}


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_sentencepiece(tmp_path, byte_fallback):
    text = tmp_path / "text"
    text.write_text("a cat sat on the mat\nthat hat and the cat\nZ\u00fcrich\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(tmp_path / "bpe"),
        vocab_size=300 if byte_fallback else 34,
        model_type="bpe",
        byte_fallback=byte_fallback,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    tokenizer = build_tokenizer("bpe", bpemodel=str(tmp_path / "bpe.model"))
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    # Without <s> and </s>, as ESPnet's lists are.
    vocabulary = Vocabulary(("<blank>", "<unk>", *pieces[3:], "<sos/eos>"), "bpe")
    allowed = range(1, len(vocabulary.tokens) - 1)
    check_against(tokenizer, vocabulary, allowed)
    the, unknown = vocabulary.tokens.index("\u2581the"), 1
    assert vocabulary.text([the, unknown, the]) == "the \u2047 the"
    # What is not in the model is written byte by byte.
    line = "the \u00fcber \u732b cat"
    ids = [vocabulary.tokens.index(p) for p in tokenizer.text2tokens("the cat")]
    assert [w.text for w in vocabulary.words(ids)] == ["the", "cat"]
    if byte_fallback:
        ids = [vocabulary.tokens.index(p) for p in tokenizer.text2tokens(line)]
        assert vocabulary.text(ids) == line


def words_of(vocabulary, text):
    """The words of a text whose letters are tokens; its own text."""
    names = ["<space>" if letter == " " else letter for letter in text]
    ids = [vocabulary.tokens.index(name) for name in names]
    words = vocabulary.words(ids)
    assert vocabulary.text(ids) == text
    return [word.text for word in words]


def test_letters_of_scripts_without_spaces_are_words():
    text = "\u4eca\u5929\u3002iPhone\u0e01\u0e33\u0e25\u0e31\u0e07\u300c\u732b\u300d"
    tokens = ("<blank>", "<unk>", "<space>", *sorted(set(text)), "<sos/eos>")
    vocabulary = Vocabulary(tokens, "char")
    # Punctuation and accents stay with their letter, other scripts together.
    apart = ["\u4eca", "\u5929\u3002", "iPhone", "\u0e01", "\u0e33", "\u0e25\u0e31"]
    apart += ["\u0e07", "\u300c\u732b\u300d"]
    assert words_of(vocabulary, text) == apart
    # A space beside a word of another script does not mean that words are separated.
    assert words_of(vocabulary, "\u4eca\u5929 hone \u732b") == [
        "\u4eca",
        "\u5929",
        "hone",
        "\u732b",
    ]
    assert words_of(vocabulary, "\u4eca\u5929 \u732b") == ["\u4eca\u5929", "\u732b"]
    assert words_of(vocabulary, "hone Phone") == ["hone", "Phone"]
    check_against(build_tokenizer("char"), vocabulary, range(1, len(tokens) - 1))


def test_pieces_of_several_such_letters_stay_together():
    bytes_of = [f"<0x{value:02X}>" for value in "\u732b".encode()]
    pieces = ["\u2581\u4eca\u5929", "\u5929", "\u6c14", *bytes_of]
    vocabulary = Vocabulary(("<blank>", "<unk>", *pieces), "bpe")
    words = vocabulary.words([2, 3, 4, 5, 6, 7, 1, 4])
    expected = ["\u4eca\u5929", "\u5929", "\u6c14", "\u732b", "\u2047", "\u6c14"]
    assert [word.text for word in words] == expected
    assert [(w.first, w.last) for w in words][:4] == [(0, 0), (1, 1), (2, 2), (3, 5)]
    assert [word.glued for word in words] == [False, True, True, True, False, False]
    text = "\u4eca\u5929\u5929\u6c14\u732b \u2047 \u6c14"
    assert vocabulary.text([2, 3, 4, 5, 6, 7, 1, 4]) == text


def test_words_and_phones_stand_alone():
    vocabulary = Vocabulary(("<blank>", "YES", "NO"), "word")
    check_against(build_tokenizer("word"), vocabulary, [1, 2])
    phones = Vocabulary(("<blank>", "HH", "AY"), "phn")
    assert phones.words([1, 2]) == [WrittenWord("HH", 0, 0), WrittenWord("AY", 1, 1)]


def test_what_cannot_be_joined():
    with pytest.raises(UserError, match="token_type whisper_en"):
        Vocabulary(("<blank>", "a"), "whisper_en")
    with pytest.raises(UserError, match="blank 2 is not one of the 2 tokens"):
        Vocabulary(("<blank>", "a"), "char", blank=2)
