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


def test_words_and_phones_stand_alone():
    vocabulary = Vocabulary(("<blank>", "YES", "NO"), "word")
    check_against(build_tokenizer("word"), vocabulary, [1, 2])
    phones = Vocabulary(("<blank>", "HH", "AY"), "phn")
    assert phones.words([1, 2]) == [WrittenWord("HH", 0, 0), WrittenWord("AY", 1, 1)]


def test_what_cannot_be_joined():
    with pytest.raises(UserError, match="token_type whisper_en"):
        Vocabulary(("<blank>", "a"), "whisper_en")
    with pytest.raises(UserError, match="blank 2 is not one of 2"):
        Vocabulary(("<blank>", "a"), "char", blank=2)
