"""What is given instead of a Kaldi folder, and tables in another form."""

import gzip
import json

import pytest
from doctor_run import found_in
from kaldi_corpus import make_corpus, table

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path, {"train": 14, "dev": 4})


NEMO = json.dumps({"audio_filepath": "a.wav", "duration": 1.0, "text": "one"})
# A file, its content, and what is said if the file is given, and if its folder is.
INSTEAD = {
    "nemo": ("train_manifest.json", NEMO, "a manifest of NeMo: write wav.scp"),
    "lhotse": ("recordings_train.jsonl", "{}", "lhotse kaldi export RECORDINGS"),
    "lhotse cuts": ("cuts.jsonl", '{"id": "a"}', "a manifest of lhotse"),
    "common voice": ("train.tsv", "client_id\tpath\n", "and transcripts|Common Voice"),
    "speechbrain": ("train.csv", "ID,duration,wav,wrd\n", "transcripts|SpeechBrain"),
    "lj speech": ("metadata.csv", "LJ001|A|A\n", "a list of files and transcripts"),
    "other": ("notes.txt", "A\n", "give its folder|but notes.txt"),
}


@pytest.mark.parametrize("what", INSTEAD)
def test_another_format_is_named(corpus, tmp_path, what):
    name, content, said = INSTEAD[what]
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / name).write_text(content)
    of_file, _, of_folder = said.partition("|")
    for given, reason in ((folder / name, of_file), (folder, of_folder or of_file)):
        status, found = found_in([given, corpus[1]], tmp_path / "out")
        (one,) = [one for one in found if one["kind"] == "missing-table"]
        assert status == 2 and one["file"] == str(given)
        assert reason in one["reason"]
    # One finding for the whole folder.
    assert "none of Kaldi's tables" in one["reason"]


def test_an_empty_folder(corpus, tmp_path):
    (tmp_path / "given").mkdir()
    found = found_in([tmp_path / "given"], tmp_path / "out")[1]
    assert [one["reason"].rpartition(", ")[2] for one in found] == ["it is empty"]


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 12\n"
PAGE = b"<!DOCTYPE html>\n<html>\n"


@pytest.mark.parametrize(
    "content, said",
    [
        (LFS, "a Git LFS pointer, not the table: run 'git lfs pull'"),
        (PAGE, "a web page, not the table"),
        (b"\n<html><body>", "a web page, not the table"),
        (gzip.compress(b"u1 ONE\n", mtime=0), "compressed by gzip"),
    ],
)
def test_a_table_that_is_none(corpus, tmp_path, content, said):
    path = corpus[0] / "text"
    path.write_bytes(content)
    found = found_in(corpus, tmp_path / "out")[1]
    (one,) = [one for one in found if one["file"] == str(path)]
    assert one["kind"] == "missing-table" and said in one["reason"]
    with pytest.raises(UserError, match=said.partition(",")[0]):
        read_pairs(path)


@pytest.mark.parametrize("sign", ["|", ",", ";"])
def test_another_sign_after_the_name(corpus, tmp_path, sign):
    path = corpus[0] / "text"
    lines = [line.replace(" ", sign, 1) for line in table(corpus[0], "text")]
    path.write_text("".join(lines))
    found = found_in(corpus, tmp_path / "out")[1]
    ours = [one for one in found if one["file"] == str(path)]
    assert len(ours) >= 14
    for one in ours:
        name = one["id"].partition(sign)[0]
        hint = f"but {name} is: write a space instead of {sign!r} after the name"
        assert one["kind"] == "not-everywhere" and hint in one["reason"]


def test_a_name_with_a_comma_is_a_name(corpus, tmp_path):
    for name in ("wav.scp", "text", "utt2spk"):
        lines = table(corpus[0], name)
        lines[0] = lines[0].replace("train-a-00 ", "train-a-00,x ", 1)
        (corpus[0] / name).write_text("".join(lines))
    assert found_in(corpus, tmp_path / "out") == (0, [])


def test_exchanged_columns_of_segments(corpus, tmp_path):
    lines = table(corpus[0], "wav.scp")
    names = [line.split()[0] for line in lines]
    (corpus[0] / "wav.scp").write_text("".join(f"rec-{line}" for line in lines))
    wrong = "".join(f"rec-{name} {name} 0.0 0.5\n" for name in names)
    (corpus[0] / "segments").write_text(wrong)
    found = found_in(corpus, tmp_path / "out")[1]
    ours = [one for one in found if one["kind"] == "bad-segment"]
    assert [one["reason"] for one in ours] == [
        f"its recording {name} is not in wav.scp, but rec-{name} is: are the first two "
        "columns exchanged?"
        for name in names
    ]
    right = "".join(f"{name} rec-{name} 0.0 0.5\n" for name in names)
    (corpus[0] / "segments").write_text(right)
    assert found_in(corpus, tmp_path / "out") == (0, [])


def test_text_that_was_split_into_characters(corpus, tmp_path):
    lines = table(corpus[0], "text")
    words = [line.rstrip().split(maxsplit=1) for line in lines]
    split = [f"{name} {' '.join(text.replace(' ', ''))}\n" for name, text in words]
    (corpus[0] / "text").write_text("".join(split))
    found = found_in(corpus, tmp_path / "out", "--ignore", "text-rate")[1]
    (one,) = [one for one in found if one["kind"] == "markup"]
    assert "14 of 14 transcripts with several words consist of single" in one["reason"]
    # A few of them are a spelling, as in AN4.
    mixed = "".join(split[:3])
    mixed += "".join(lines[3:])
    (corpus[0] / "text").write_text(mixed)
    assert found_in(corpus, tmp_path / "out", "--ignore", "text-rate") == (0, [])
    # Digits are words.
    digits = "".join(f"{name} 1 2 3\n" for name, _ in words)
    (corpus[0] / "text").write_text(digits)
    found = found_in(corpus, tmp_path / "out", "--ignore", "text-rate")[1]
    assert "markup" not in {one["kind"] for one in found}
