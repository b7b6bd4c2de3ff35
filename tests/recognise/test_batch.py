"""Several files: a bad one costs the others nothing."""

import json
import os

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.batch import output_paths, recognise_files
from espnet_plugin.recognise.transcript import Alternative, Part, Transcript, Word


def recognise(path):
    if "bad" in path:
        raise UserError(f"{path} is truncated")
    word = Word("HELLO", 0.0, 0.5, 0.9)
    part = Part(0.0, 1.0, (word,), (Alternative("HELLO", -1.0),))
    return Transcript(path, 1.0, (part,), (), False)


def test_lines_stay_those_of_their_files(capsys, caplog):
    with pytest.raises(UserError, match="1 of 3 files were not recognised: bad.wav"):
        recognise_files(recognise, ["a.wav", "bad.wav", "c.wav"])
    assert capsys.readouterr().out == "HELLO\n\nHELLO\n"
    assert "bad.wav is truncated" in caplog.text


def test_json_names_the_bad_file(capsys):
    with pytest.raises(UserError, match="1 of 2"):
        recognise_files(recognise, ["bad.wav", "c.wav"], "json")
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert bad == {"file": "bad.wav", "error": "bad.wav is truncated"}
    assert good["text"] == "HELLO"


def test_one_file_has_its_own_error(capsys):
    with pytest.raises(UserError, match="^bad.wav is truncated$"):
        recognise_files(recognise, ["bad.wav"], "srt")
    assert capsys.readouterr().out == ""


def test_a_file_of_each(tmp_path, capsys):
    files = ["x/a.wav", "bad.wav", "c.flac"]
    with pytest.raises(UserError, match="1 of 3"):
        recognise_files(recognise, files, "srt", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.srt", "c.srt"]
    expected = "1\n00:00:00,000 --> 00:00:00,800\nHELLO\n"
    assert (tmp_path / "out/a.srt").read_text() == expected
    assert capsys.readouterr().out == ""


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(UserError, match="file is not a folder; choose another"):
            output_paths(["a.wav"], "text", folder)
    assert output_paths(["a.wav"], "text", tmp_path / "new/below")


def test_names_that_are_not_utf8(capsysbinary):
    name = os.fsdecode(b"caf\xe9.wav")
    recognise_files(recognise, [name], "json")
    assert json.loads(capsysbinary.readouterr().out)["file"] == name


def test_what_would_be_mixed_up(tmp_path):
    with pytest.raises(UserError, match="--format srt with 2 files.*--output_dir"):
        output_paths(["a.wav", "b.wav"], "srt", None)
    with pytest.raises(UserError, match="x/a.wav and y/a.mp3 would both be written"):
        output_paths(["x/a.wav", "y/a.mp3"], "json", tmp_path)
    # Reference transcripts often lie beside the audio.
    (tmp_path / "a.txt").write_text("WHAT WAS SAID")
    with pytest.raises(UserError, match="a.txt exists beside .*choose another folder"):
        output_paths([str(tmp_path / "a.wav")], "text", tmp_path)
    assert output_paths(["x/a.wav"], "text", tmp_path)
    # The same one twice is harmless.
    assert len(output_paths(["a.wav", "a.wav"], "text", tmp_path)) == 1
