"""The command of stage 2: all sets at once, its options, an imported reference."""

import hashlib

import pytest
import sentencepiece
import soundfile
import yaml
from espnet2.text.build_tokenizer import build_tokenizer
from noise_corpus import RATE, SECONDS, TEXT, change, make_corpus, noise

from espnet_plugin.bin import prepare as command
from espnet_plugin.data.checked_tokens import was_checked
from espnet_plugin.data.kaldi import read_data_dir, write_data_dir
from espnet_plugin.data.tokens import read_token_list
from espnet_plugin.files import read_pairs


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path)


@pytest.fixture
def call(corpus, tmp_path):
    for name in ("dev", "test"):
        write_data_dir(corpus.parent / name, read_data_dir(corpus))
    config = {
        "frontend_conf": {"hop_length": 160, "n_mels": 24},
        "encoder_conf": {"input_layer": "conv2d"},
    }
    (tmp_path / "asr.yaml").write_text(yaml.safe_dump(config))

    def call(*more):
        return command.main(
            ["--data_dir", str(corpus.parent), "--dump_dir", str(tmp_path / "dump")]
            + ["--asr_config", str(tmp_path / "asr.yaml")]
            + ["--token_dir", str(tmp_path / "tokens"), *more]
        )

    return call


def test_prepares_all_sets(call, tmp_path):
    assert call("--speed_perturb_factors", "0.9", "--dump_train_set", "train_sp") == 0
    counts = {
        name: len(read_pairs(tmp_path / "dump" / name / "wav.scp"))
        for name in ("train_sp", "dev", "test")
    }
    assert counts == {"train_sp": 6, "dev": 3, "test": 3}
    tokens = read_token_list(tmp_path / "tokens" / "tokens.txt")
    assert set(tokens[2:-1]) == {*"ONETWHR", "<space>"}


def test_what_is_cleaned_is_said_once(call, corpus, caplog):
    text = (corpus / "text").read_text()
    (corpus / "text").write_text(text.replace(" ", "  "))
    assert call() == 0
    said = [one for one in caplog.messages if "several spaces" in one]
    assert len(said) == 1 and f"{corpus}/text" in said[0]


def test_fbank_has_the_bins_of_the_configuration(call, tmp_path):
    assert call("--feats_type", "fbank") == 0
    assert read_pairs(tmp_path / "dump/test/feats_shape")["a-1"] == "50,24"


def test_other_tokens_are_an_error_in_training_but_not_in_test(
    call, corpus, tmp_path, caplog
):
    change(corpus.parent / "test", "text", "a-1", "ZERO")
    assert call() == 0
    # Now with the tokens of another model, which lack the H of THREE.
    tokens = read_token_list(tmp_path / "tokens" / "tokens.txt")
    tokens.remove("H")
    (tmp_path / "other.txt").write_text("".join(f"{t}\n" for t in tokens))
    caplog.clear()
    assert call("--token_list", str(tmp_path / "other.txt")) == 2
    assert "b-1: 'THREE' has ['H'], which is not in the token list" in caplog.text


def test_bpe(call, tmp_path, caplog):
    assert call("--token_type", "bpe", "--nbpe", "14") == 0
    tokens = tmp_path / "tokens" / "tokens.txt"
    assert len(read_token_list(tokens)) == 14
    assert call("--token_type", "bpe", "--token_list", str(tokens)) == 2
    assert "--bpemodel None" in caplog.text


def test_what_a_bpe_model_rewrites_is_named(call, corpus, tmp_path, caplog):
    """A model with SentencePiece's default rules, as ESPnet's recipes train it."""
    for name in ("train", "test"):
        change(corpus.parent / name, "text", "a-2", "TWO ONE \ufb01\u2026")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(read_pairs(corpus / "text").values()),
        model_prefix=str(tmp_path / "theirs"),
        vocab_size=22,
        model_type="bpe",
        character_coverage=1.0,
        minloglevel=2,
    )
    pieces = read_pairs(tmp_path / "theirs.vocab")
    tokens = ["<blank>", "<unk>", *list(pieces)[3:], "<sos/eos>"]
    (tmp_path / "theirs.txt").write_text("".join(f"{t}\n" for t in tokens))
    bpe = ["--token_type", "bpe", "--bpemodel", str(tmp_path / "theirs.model")]
    assert call(*bpe, "--token_list", str(tmp_path / "theirs.txt")) == 0
    for name in ("train", "test"):
        # Unicode's compatible form of the ligature and of the ellipsis.
        said = f"{name}/text: 1 of 3 transcripts have characters that the BPE model"
        assert said in caplog.text
        assert "a-2: 'TWO ONE \ufb01\u2026' becomes 'TWO ONE fi...'" in caplog.text
    assert "dev/text" not in caplog.text
    # A model of this plugin replaces nothing.
    caplog.clear()
    assert call("--token_type", "bpe", "--nbpe", "22") == 0
    assert "replaces" not in caplog.text


def test_a_typo_in_the_configuration_is_named(call, tmp_path, caplog):
    (tmp_path / "typo.yaml").write_text("frontend_conf: {fs: 16k\nencoder: x\n")
    assert call("--asr_config", str(tmp_path / "typo.yaml")) == 2
    assert "typo.yaml is not YAML: " in caplog.text


@pytest.fixture
def imported(call, tmp_path):
    """The same with an imported model's tokens and changes to its configuration."""

    def imported(*more, tokens="ONETWHR", **changes):
        config = yaml.safe_load((tmp_path / "asr.yaml").read_text())
        (tmp_path / "its.yaml").write_text(yaml.safe_dump({**config, **changes}))
        lines = ["<blank>", "<unk>", "<space>", *tokens, "<sos/eos>"]
        (tmp_path / "its.txt").write_text("".join(f"{t}\n" for t in lines))
        own = ["--asr_config", "its.yaml", "--token_list", "its.txt"]
        return call(*(str(tmp_path / o) if "its" in o else o for o in own), *more)

    return imported


@pytest.mark.parametrize(
    "config, says",
    [
        ("frontend_conf: {hop_length: '160'}", "frontend_conf.hop_length: '160' must"),
        ("frontend_conf: {hop_length: 0}", "frontend_conf.hop_length: 0 must be"),
        ("frontend_conf: {n_mels: 1.5}", "frontend_conf.n_mels: 1.5 must be"),
        ("frontend_conf: [1, 2]", "frontend_conf: '[1, 2]' must be names with values"),
        ("encoder_conf: conv2d", "encoder_conf: 'conv2d' must be names with values"),
        ("seed: 1\nseed: 2", "the key seed is written twice, line 2"),
    ],
)
def test_wrong_values_of_the_configuration(call, tmp_path, caplog, config, says):
    (tmp_path / "asr.yaml").write_text(config)
    assert call() == 2
    assert "asr.yaml" in caplog.text and says in caplog.text


def test_sets_that_would_be_one_folder_of_the_dump(call, corpus, tmp_path, caplog):
    (corpus.parent / "test").rename(corpus.parent / "train_sp")
    others = ["--other_sets", "dev", "train_sp"]
    assert call("--dump_train_set", "train_sp", *others) == 2
    assert "the set train_sp has the name under which the training set" in caplog.text
    assert call(*others, "train_sp") == 0


def test_unlabelled_audio_with_a_name_of_the_training_set(call, tmp_path, caplog):
    more = ["--unlabelled_sets", "test", "--joined_set", "all"]
    assert call(*more) == 2
    assert "--unlabelled_sets test: a-1 is also in" in caplog.text
    assert not (tmp_path / "dump/train").exists()  # before any work


@pytest.mark.parametrize("fs", ["8k", 8000, "8000"])
def test_a_front_end_for_another_rate(imported, call, tmp_path, caplog, fs):
    conf = {"hop_length": 80, "fs": fs}
    assert imported(frontend="default", frontend_conf=conf) == 2
    assert "--fs 16000: the front end of" in caplog.text
    assert "resample the audio to 8000 Hz and give --fs 8000" in caplog.text
    assert "--reference_config" not in caplog.text
    # One that will be trained can still be another one.
    assert call("--asr_config", str(tmp_path / "its.yaml")) == 2
    assert "--reference_config with frontend_conf.fs 16000" in caplog.text
    assert not (tmp_path / "dump").exists()
    # ESPnet's default is 16 kHz.
    assert call("--fs", "8000") == 2
    assert "--fs 8000: the front end of" in caplog.text
    assert imported(frontend_conf={"fs": "16k"}) == 0
    # Features that are computed here need no front end of the reference's.
    assert (
        call("--asr_config", str(tmp_path / "its.yaml"), "--feats_type", "fbank") == 0
    )


def test_a_rate_that_is_none(imported, caplog):
    assert imported(frontend_conf={"fs": "fast"}) == 2
    assert "frontend_conf.fs: 'fast' is not a sampling rate" in caplog.text


def test_features_are_as_wide_as_the_imported_reference_takes(
    imported, tmp_path, caplog
):
    trained = dict(frontend=None, frontend_conf={}, input_size=23)
    assert imported("--feats_type", "fbank", **trained) == 0
    assert read_pairs(tmp_path / "dump/test/feats_shape")["a-1"] == "50,23"
    assert imported("--feats_type", "raw", **trained) == 2
    assert "the reference needs features" in caplog.text
    assert "give --feats_type fbank" in caplog.text
    assert imported("--feats_type", "fbank") == 2
    assert "frontend default): give --feats_type raw" in caplog.text


def test_symbols_of_several_characters(imported, corpus, tmp_path, caplog):
    change(corpus, "text", "a-1", "ONE<noise>")
    symbols = tmp_path / "symbols.txt"
    symbols.write_text("<noise>\n")
    listed = [*"ONETWHR", "<noise>"]
    conf = dict(tokens=listed, non_linguistic_symbols=str(symbols))
    assert imported(**conf) == 0
    assert imported(tokens=listed) == 2
    assert "'ONE<noise>' has ['<', '>', 'e', 'i', 'n', 'o', 's']" in caplog.text
    symbols.unlink()
    assert imported(**conf) == 2
    assert "symbols.txt is missing: import the reference again" in caplog.text


@pytest.fixture
def noisy(call, corpus, tmp_path):
    """Two of its transcripts have a symbol; the option, with the file's content."""
    change(corpus, "text", "a-1", "<noise> ONE")
    change(corpus, "text", "a-2", "TWO<noise>ONE")

    def noisy(content, *more):
        path = tmp_path / "symbols.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return call("--nlsyms", str(path), *more)

    return noisy


# As editors of other systems write it, with what is there twice or not at all.
SYMBOL_FILES = ["<noise>\n", "\ufeff<noise>\r\n\r\n<noise>\r\n", "<cough>\n <noise> "]


@pytest.mark.parametrize("content", SYMBOL_FILES)
def test_own_symbols_are_tokens(noisy, tmp_path, content):
    assert noisy(content) == 0
    tokens = read_token_list(tmp_path / "tokens/tokens.txt")
    assert set(tokens[2:-1]) == {*"ONETWHR", "<space>", "<noise>"}
    words = read_pairs(tmp_path / "dump/train/text")
    assert (words["a-1"], words["a-2"]) == ("<noise> ONE", "TWO<noise>ONE")
    # What stages 3 to 8 hand to ESPnet: it splits transcripts as stage 2 did.
    listed = tmp_path / "tokens/nlsyms.txt"
    tokenizer = build_tokenizer("char", non_linguistic_symbols=str(listed))
    assert tokenizer.text2tokens(words["a-2"]) == [*"TWO", "<noise>", *"ONE"]


def test_own_symbols_are_pieces(noisy, tmp_path):
    assert noisy("<noise>\n", "--token_type", "bpe", "--nbpe", "16") == 0
    tokenizer = build_tokenizer("bpe", bpemodel=str(tmp_path / "tokens/bpe.model"))
    assert "<noise>" in read_token_list(tmp_path / "tokens/tokens.txt")
    assert tokenizer.text2tokens("TWO<noise>ONE").count("<noise>") == 1


def test_a_symbol_that_is_not_listed_is_named(noisy, caplog):
    assert noisy("<cough>\n") == 2
    assert "a-2: 'TWO<noise>ONE' has <noise>, which would be spelled" in caplog.text


@pytest.mark.parametrize(
    "content, says",
    [
        ("<blank>", "<blank> is a token of the recogniser itself"),
        ("<big noise>", "'<big noise>' contains white space"),
        ("<no\u200bise>", "white space or invisible characters"),
        (b"\xff\xfe<", "is not UTF-8 text"),
    ],
)
def test_a_wrong_file_of_symbols(noisy, call, imported, caplog, content, says):
    assert noisy(content) == 2
    assert "--nlsyms" in caplog.text and "symbols.txt" in caplog.text
    assert says in caplog.text
    assert call("--nlsyms", "nowhere.txt") == 2
    assert "--nlsyms nowhere.txt cannot be read" in caplog.text
    assert imported("--nlsyms", "nowhere.txt") == 2
    assert "the reference has its own symbols" in caplog.text


def test_a_reference_that_heard_audio_on_another_scale(imported, corpus, caplog):
    # Its files are WAV: as kaldi_ark they are integers to ESPnet.
    table = str(corpus / "wav.scp")
    tables = [[table, "speech", "kaldi_ark"], ["dump/text", "text", "text"]]
    assert imported(train_data_path_and_name_and_type=tables) == 2
    assert "its.yaml: the reference was trained on samples 32768 times" in caplog.text
    tables[0][2] = "sound"
    assert imported(train_data_path_and_name_and_type=tables) == 0


def test_other_kinds_of_tokens_name_the_reference(imported, call, caplog):
    assert imported("--token_type", "word") == 2
    assert "the reference has token_type: word" in caplog.text
    assert call("--token_type", "word") == 2
    assert "--token_type word: must be char or bpe" in caplog.text


def test_an_unknown_input_layer_is_no_error(imported, tmp_path, caplog):
    assert imported(encoder_conf={"input_layer": "conv3d"}) == 0
    assert "its.yaml: the number of frames its encoder makes" in caplog.text
    caplog.clear()
    assert imported(encoder_conf={"input_layer": None}) == 0
    assert "number of frames" not in caplog.text


def test_the_checked_tokens_are_noted(imported, call, tmp_path):
    noted = tmp_path / "dump/train/tokens.sha256"

    def line(name):
        files = (tmp_path / name, tmp_path / "dump/train/text")
        return " ".join(hashlib.sha256(f.read_bytes()).hexdigest() for f in files)

    assert call() == 0
    lines = noted.read_text().splitlines()
    # The second line is that of the meaning of the same files.
    assert lines[0] == line("tokens/tokens.txt") and len(lines) == 2
    assert imported() == 0 and call() == 0
    lines = noted.read_text().splitlines()
    assert lines[0] == line("tokens/tokens.txt") and lines[2] == line("its.txt")
    assert imported(tokens="ONE") == 2
    assert noted.read_text().splitlines() == lines
    own = tmp_path / "tokens/tokens.txt"
    assert was_checked(tmp_path / "dump/train", own)
    own.write_text(own.read_text().rstrip("\n") + " ")  # line ends are no token
    assert was_checked(tmp_path / "dump/train", own)
    own.write_text(own.read_text() + "\n\n")
    assert not was_checked(tmp_path / "dump/train", own)


def test_missing_inputs(call, corpus, caplog):
    assert call("--asr_config", "nowhere.yaml") == 2
    assert "--asr_config nowhere.yaml is missing" in caplog.text
    assert call("--other_sets", "dev", "eval") == 2
    assert "eval is missing: run stage 1" in caplog.text


def test_audio_without_transcripts_joins_the_training_data(
    call, corpus, tmp_path, caplog
):
    extra = corpus.parent / "extra"
    extra.mkdir()
    long = tmp_path / "long.wav"
    soundfile.write(long, noise(2.0), RATE)
    audio = read_pairs(corpus / "wav.scp")
    lines = [f"x-1 {audio['a-1']}", f"x-2 {audio['b-1']}", f"x-3 {long}"]
    (extra / "wav.scp").write_text("".join(f"{line}\n" for line in lines))
    more = ("--unlabelled_sets", "extra", "--joined_set", "train+extra")
    assert call(*more, "--max_wav_duration", "1.5") == 0
    dump = tmp_path / "dump"
    assert not (dump / "extra/text").exists()
    names = {"a-1", "a-2", "b-1", "x-1", "x-2"}  # x-3 is too long
    assert read_pairs(dump / "train+extra/wav.scp").keys() == names
    samples = read_pairs(dump / "train+extra/utt2num_samples")
    assert samples == {
        **{n: str(round(RATE * s)) for n, s in SECONDS.items()},
        "x-1": "8000",
        "x-2": "17600",
    }
    assert read_pairs(dump / "train/wav.scp").keys() == TEXT.keys()
    (extra / "wav.scp").write_text(f"a-1 {audio['a-1']}\n")
    assert call(*more) == 2
    assert "--unlabelled_sets extra: a-1 is also in" in caplog.text
    assert call("--unlabelled_sets", "nowhere", "--joined_set", "x") == 2
    assert "nowhere is missing" in caplog.text
    # Audio that is not joined, for a pre-training, may have the same names.
    assert call("--unlabelled_sets", "extra") == 0
    assert read_pairs(dump / "extra/wav.scp").keys() == {"a-1"}


def test_a_set_to_evaluate_on_stays_as_it_is_if_it_is_also_unlabelled(
    call, tmp_path, caplog
):
    assert call() == 0
    before = (tmp_path / "dump/test/done.json").read_bytes()
    caplog.clear()
    assert call("--unlabelled_sets", "test") == 0
    assert "is prepared again" not in caplog.text
    assert (tmp_path / "dump/test/done.json").read_bytes() == before
