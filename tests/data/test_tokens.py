"""Token lists against ESPnet's own."""

import io
import re
from collections import Counter

import pytest
import sentencepiece
from espnet2.bin import tokenize_text
from espnet2.text.build_tokenizer import build_tokenizer
from espnet2.text.token_id_converter import TokenIDConverter

from espnet_plugin.data.tokens import build_token_list, read_token_list
from espnet_plugin.errors import UserError
from espnet_plugin.text import clean_text

TEXTS = [
    "ENTER FOUR FIVE ONE",
    "RUBOUT T M G H SEVENTY SIX",
    "GRÜẞE AUS KÖLN",
    "YES",
    "NO NO TWENTY NINE",
] * 4


def test_characters_are_those_of_tokenize_text(tmp_path):
    corpus = tmp_path / "text"
    corpus.write_text("".join(f"u{i} {text}\n" for i, text in enumerate(TEXTS)))
    tokenize_text.main(
        ["--token_type", "char", "--input", str(corpus), "--field", "2-"]
        + ["--output", str(tmp_path / "expected"), "--write_vocabulary", "true"]
        + ["--add_symbol", "<blank>:0", "--add_symbol", "<unk>:1"]
        + ["--add_symbol", "<sos/eos>:-1"]
    )
    expected = (tmp_path / "expected").read_text().splitlines()
    tokens = read_token_list(build_token_list(TEXTS, tmp_path / "tokens"))
    assert tokens[:2] == expected[:2] == ["<blank>", "<unk>"]
    assert tokens[-1] == expected[-1] == "<sos/eos>"
    assert sorted(tokens) == sorted(expected)
    assert "<space>" in tokens
    # The order may differ among equally frequent ones, which ESPnet leaves to chance.
    counts = Counter("".join(TEXTS).replace(" ", "_"))
    frequency = [counts[t.replace("<space>", "_")] for t in tokens[2:-1]]
    assert frequency == sorted(frequency, reverse=True)
    # Order of the corpus plays no part.
    other = build_token_list(TEXTS[::-1], tmp_path / "other")
    assert read_token_list(other) == tokens


# Words with a zero-width non-joiner or joiner, and with the vowel AM.
SCRIPTS = {
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0631\u0627",
    "Thai": "\u0e19\u0e49\u0e33",
    "Lao": "\u0e99\u0ec9\u0eb3",
    "Sinhala": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_bpe_keeps_the_spelling_of_every_script(tmp_path, script):
    text = clean_text(SCRIPTS[script])
    assert text == SCRIPTS[script]
    build_token_list([text] * 9, tmp_path, nbpe=4 + len(set(text)))
    tokenizer = build_tokenizer("bpe", bpemodel=str(tmp_path / "bpe.model"))
    assert tokenizer.tokens2text(tokenizer.text2tokens(text)) == text


def test_bpe_of_english_is_that_of_espnets_recipes(tmp_path):
    """They train with SentencePiece's defaults."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=written,
        vocab_size=40,
        model_type="bpe",
        character_coverage=1.0,
        minloglevel=2,
    )
    theirs = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    pieces = [theirs.id_to_piece(i) for i in range(3, 40)]
    path = build_token_list(TEXTS, tmp_path, nbpe=40)
    assert read_token_list(path)[2:-1] == pieces


def test_bpe_round_trip_with_espnets_classes(tmp_path):
    path = build_token_list(TEXTS, tmp_path, nbpe=40)
    tokens = read_token_list(path)
    assert len(tokens) == 40  # ESPnet's recipes count their three symbols too
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    tokenizer = build_tokenizer("bpe", bpemodel=str(tmp_path / "bpe.model"))
    converter = TokenIDConverter(tokens)
    for text in TEXTS:
        ids = converter.tokens2ids(tokenizer.text2tokens(text))
        assert 1 not in ids
        assert tokenizer.tokens2text(converter.ids2tokens(ids)) == text


def test_bpe_is_what_sentencepiece_makes_of_a_file(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.write_text("".join(f"{text}\n" for text in TEXTS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(tmp_path / "expected"),
        vocab_size=40,
        model_type="bpe",
        character_coverage=1.0,
        minloglevel=2,
    )
    vocabulary = (tmp_path / "expected.vocab").read_text().splitlines()
    pieces = [line.split("\t")[0] for line in vocabulary]
    assert pieces[:3] == ["<unk>", "<s>", "</s>"]
    tokens = read_token_list(build_token_list(TEXTS, tmp_path / "bpe", nbpe=40))
    assert tokens[2:-1] == pieces[3:]


def test_an_unknown_character_is_not_in_the_list(tmp_path):
    for nbpe in (None, 40):
        tokens = read_token_list(build_token_list(TEXTS, tmp_path, nbpe))
        kind = {"bpemodel": str(tmp_path / "bpe.model")} if nbpe else {}
        tokenizer = build_tokenizer("bpe" if nbpe else "char", **kind)
        assert set(tokenizer.text2tokens("SIX")) <= set(tokens)
        assert not set(tokenizer.text2tokens("SIX @")) <= set(tokens)


@pytest.mark.parametrize("nbpe", [3, 5000])
def test_a_vocabulary_that_does_not_fit(tmp_path, nbpe):
    with pytest.raises(UserError, match=f"--nbpe {nbpe} does not fit") as refused:
        build_token_list(TEXTS, tmp_path, nbpe)
    assert not list(tmp_path.iterdir())
    # What the message advises is possible, and the nearest that is.
    advised = int(re.search(r"give at (?:least|most) (\d+)$", str(refused.value))[1])
    build_token_list(TEXTS, tmp_path, advised)
    with pytest.raises(UserError, match="does not fit"):
        build_token_list(TEXTS, tmp_path, advised + (1 if nbpe > advised else -1))


@pytest.mark.parametrize(
    "content", ["A\n<blank>\n", "<blank>\nA\nA\n", "", "\ufeff<blank>\nA\n"]
)
def test_a_list_that_espnet_would_misread(tmp_path, content):
    path = tmp_path / "tokens.txt"
    path.write_bytes(content.encode())
    with pytest.raises(UserError, match="the first token must be <blank>"):
        read_token_list(path)


def test_a_missing_list(tmp_path):
    with pytest.raises(UserError, match="tokens.txt is missing: run stage 2"):
        read_token_list(tmp_path / "tokens.txt")
