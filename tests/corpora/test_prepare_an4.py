"""AN4: data folders from the corpus's own tree, and local/data.sh of its recipe."""

import pytest
import soundfile
from an4_corpus import TEST, TRAIN, copy_recipe, make_corpus, run_data_sh
from kaldi_table import table

from espnet_plugin.bin import prepare_an4


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "an4")


def prepare(corpus, output, *options):
    return prepare_an4.main(
        ["--an4", f"{corpus}", "--output_dir", f"{output}", *options]
    )


@pytest.mark.parametrize("suffix, marks", [("sph", True), ("flac", False)])
def test_counts_texts_and_audio(tmp_path, suffix, marks):
    corpus = make_corpus(tmp_path / "an4", suffix, marks)
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", "2") == 0
    numbers = {}
    for name in ("train", "dev", "test"):
        folder = tmp_path / "data" / name
        wavs, text, utt2spk = (
            table(folder / f) for f in ("wav.scp", "text", "utt2spk")
        )
        assert list(wavs) == sorted(wavs) == list(text) == list(utt2spk)
        assert all(soundfile.info(path).frames == 1600 for path in wavs.values())
        assert all(utt.startswith(f"{spk}-") for utt, spk in utt2spk.items())
        back = {
            utt: spk
            for spk, utts in table(folder / "spk2utt").items()
            for utt in utts.split()
        }
        assert back == utt2spk
        numbers[name] = len(text)
    assert numbers["test"] == sum(TEST.values())
    assert numbers["train"] + numbers["dev"] == sum(TRAIN.values())
    # Of six speakers in order, the middle ones of two groups of three.
    assert numbers["dev"] == TRAIN["fbbh"] + TRAIN["mdxn"]
    train = table(tmp_path / "data/train/text")
    assert train["ffmm-an3-ffmm-b"] == "GO YES YES"


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_dev_speakers_are_held_out_and_spread(corpus, tmp_path, number):
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", f"{number}") == 0
    train, dev, test = (
        set(table(tmp_path / "data" / name / "utt2spk").values())
        for name in ("train", "dev", "test")
    )
    assert len(dev) == number
    assert train | dev == set(TRAIN)
    assert not train & dev and not test & (train | dev)
    if number > 1:
        assert {name[0] for name in dev} == {"f", "m"}


def test_number_of_dev_speakers_must_fit(corpus, tmp_path, caplog):
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", "6") == 2
    assert "--dev_speakers 6" in caplog.text and "6 training" in caplog.text
    assert not (tmp_path / "data").exists()


def test_some_speakers_alone_are_transcribed(corpus, tmp_path):
    options = ("--dev_speakers", "1", "--transcribed_speakers", "2")
    assert prepare(corpus, tmp_path / "data", *options) == 0
    whole, few, rest = (
        tmp_path / "data" / name
        for name in ("train", "train_transcribed", "train_untranscribed")
    )
    told, theirs, others = (table(f / "utt2spk") for f in (whole, few, rest))
    assert {**theirs, **others} == told and not theirs.keys() & others.keys()
    assert len(set(theirs.values())) == 2
    assert {name[0] for name in theirs.values()} == {"f", "m"}
    assert not set(theirs.values()) & set(others.values())
    assert table(few / "text").items() <= table(whole / "text").items()
    assert table(few / "text").keys() == theirs.keys()
    assert table(rest / "wav.scp").keys() == others.keys()
    assert not (rest / "text").exists()


def test_some_transcribed_speakers_must_be_left(corpus, tmp_path, caplog):
    # One of six is for dev.
    options = ("--dev_speakers", "1", "--transcribed_speakers", "5")
    assert prepare(corpus, tmp_path / "data", *options) == 2
    assert "--transcribed_speakers 5: the corpus has 5" in caplog.text
    assert not (tmp_path / "data").exists()


def test_again_gives_the_same(corpus, tmp_path):
    def content():
        files = sorted((tmp_path / "data").rglob("*"))
        return {path: path.read_bytes() for path in files if path.is_file()}

    prepare(corpus, tmp_path / "data", "--dev_speakers", "2")
    first = content()
    prepare(corpus, tmp_path / "data", "--dev_speakers", "2")
    assert first and content() == first


def remove_audio(corpus):
    (corpus / "wav/an4_clstk/ffmm/an2-ffmm-b.sph").unlink()
    return "ffmm-an2-ffmm-b"


def remove_transcript(corpus):
    path = corpus / "etc/an4_test.transcription"
    path.write_text(path.read_text().replace("GO (an1-mmxg-b)\n", ""))
    return "mmxg-an1-mmxg-b"


def empty_transcript(corpus):
    path = corpus / "etc/an4_train.transcription"
    path.write_text(
        path.read_text().replace("<s> GO </s> (an1-fash-b)", "(an1-fash-b)")
    )
    return "fash-an1-fash-b"


def break_transcript(corpus):
    path = corpus / "etc/an4_train.transcription"
    path.write_text(path.read_text() + "GO without a name\n")
    return f"{path}:12"


def empty_list(corpus):
    (corpus / "etc/an4_test.fileids").write_text("\n")
    return "lists no utterance"


def remove_list(corpus):
    (corpus / "etc/an4_train.fileids").unlink()
    return "an4_train.fileids is missing"


def share_speaker(corpus):
    path = corpus / "etc/an4_test.fileids"
    path.write_text(path.read_text() + "an4_clstk/fash/an1-fash-b\n")
    path = corpus / "etc/an4_test.transcription"
    path.write_text(path.read_text() + "GO (an1-fash-b)\n")
    return "fash"


def not_text(corpus):
    (corpus / "etc/an4_test.transcription").write_bytes(b"\xff\xfe\x00GO")
    return "is not a text file"


@pytest.mark.parametrize(
    "spoil",
    [
        remove_audio,
        remove_transcript,
        empty_transcript,
        break_transcript,
        empty_list,
        remove_list,
        share_speaker,
        not_text,
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(corpus, tmp_path, spoil, caplog):
    named = spoil(corpus)
    assert prepare(corpus, tmp_path / "data", "--dev_speakers", "2") == 2
    assert named in caplog.text
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
def test_missing_or_empty_folder(tmp_path, there, caplog):
    if there:
        (tmp_path / "an4").mkdir()
    assert prepare(tmp_path / "an4", tmp_path / "data") == 2
    assert f"{tmp_path / 'an4'}" in caplog.text
    assert "--an4" in caplog.text and "db.sh" in caplog.text


# --- the script -----------------------------------------------------------------------


@pytest.fixture
def recipe(tmp_path):
    return copy_recipe(tmp_path)


def test_script_takes_option_or_variable(recipe, tmp_path):
    corpus = make_corpus(tmp_path / "corpus", "flac")
    given = run_data_sh(recipe, "--an4", str(corpus), "--dev_speakers", "2")
    assert given.returncode == 0, given.stderr
    first = (recipe / "data/train/text").read_text()
    by_variable = run_data_sh(
        recipe, "--dev_speakers", "2", "--output_dir", "other", AN4=str(corpus)
    )
    assert by_variable.returncode == 0, by_variable.stderr
    assert (recipe / "other/train/text").read_text() == first


@pytest.mark.parametrize("options", [["--an5", "x"], ["--an4"], ["x"]])
def test_script_refuses_other_options(recipe, options):
    result = run_data_sh(recipe, *options)
    assert result.returncode == 2 and options[0] in result.stderr
