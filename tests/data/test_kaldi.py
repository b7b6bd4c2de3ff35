"""Data folders: written as Kaldi wants them, and refused when they do not fit."""

import pytest

from espnet_plugin.data.kaldi import DataDir, complain, read_data_dir, write_data_dir
from espnet_plugin.errors import UserError


@pytest.fixture
def folder(tmp_path):
    data = DataDir(
        audio={"b-1": "b.wav", "a-2": "a2.wav", "a-1": "a 1.wav"},
        text={"a-1": "GRÜẞ GOTT", "b-1": "YES", "a-2": "NO  NO"},
        utt2spk={"a-1": "a", "a-2": "a", "b-1": "b"},
    )
    write_data_dir(tmp_path / "train", data)
    return tmp_path / "train"


def test_what_is_written_is_sorted_and_read_back(folder):
    assert (folder / "wav.scp").read_text() == "a-1 a 1.wav\na-2 a2.wav\nb-1 b.wav\n"
    assert (folder / "spk2utt").read_text() == "a a-1 a-2\nb b-1\n"
    data = read_data_dir(folder)
    assert data.audio == {"a-1": "a 1.wav", "a-2": "a2.wav", "b-1": "b.wav"}
    assert data.text == {"a-1": "GRÜẞ GOTT", "a-2": "NO NO", "b-1": "YES"}
    assert data.utt2spk == {"a-1": "a", "a-2": "a", "b-1": "b"}


def refuse(folder, *what):
    with pytest.raises(UserError) as caught:
        read_data_dir(folder)
    for part in (str(folder), *what):
        assert part in str(caught.value)


def test_a_missing_or_empty_corpus(folder):
    refuse(folder / "other", "is missing", "stage 1")
    (folder / "wav.scp").write_text("\n")
    refuse(folder, "wav.scp is empty")
    (folder / "wav.scp").unlink()
    refuse(folder, "wav.scp is missing")


@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk"])
def test_an_utterance_in_some_tables_only(folder, name):
    lines = (folder / name).read_text().splitlines(keepends=True)
    (folder / name).write_text("".join(lines[1:]))
    refuse(folder, "1 bad utterance(s)", f"a-1: is not in {name}")
    (folder / name).write_text("".join([*lines, "c-1 x\n"]))
    refuse(folder, "c-1: is not in")


def test_an_empty_transcript(folder):
    (folder / "text").write_text("a-1 GRÜẞ GOTT\na-2\nb-1   \n")
    refuse(folder, "2 bad", "a-2: has no value in text", "b-1: has no value")


def test_a_repeated_name_and_a_wrong_encoding(folder):
    (folder / "text").write_text("a-1 X\na-1 Y\n")
    refuse(folder, "text:2: 'a-1' is listed twice")
    (folder / "text").write_bytes("a-1 GRÜẞ\n".encode("utf-16"))
    refuse(folder, "text is not UTF-8")


def test_complain_counts_all_and_shows_the_first():
    error = complain("data/x", {f"u{i}": "is bad" for i in range(8)}, "Mend them.")
    assert isinstance(error, UserError)
    lines = str(error).splitlines()
    assert lines[0] == "data/x: 8 bad utterance(s)"
    assert lines[1:6] == [f"  u{i}: is bad" for i in range(5)]
    assert lines[6:] == ["  and 3 more", "Mend them."]
