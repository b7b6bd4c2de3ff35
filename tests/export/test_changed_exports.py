"""Exports that were damaged, mixed up or changed, and what is no export at all."""

import json
import shutil
import subprocess
import sys

import pytest
import soundfile
from tiny_asr import build_tiny_asr
from tiny_stream import speech, supernet

from espnet_plugin.bin import export, recognise, web
from espnet_plugin.errors import UserError
from espnet_plugin.export.folder import whole_folder
from espnet_plugin.files import read_json, write_json
from espnet_plugin.web.models import web_models

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two exports for whole utterances and a streaming one, and a sound file."""
    root = tmp_path_factory.mktemp("made")
    folders = {
        "whole": build_tiny_asr(root / "whole").dir,
        "other": build_tiny_asr(root / "other", seed=1).dir,
        "stream": supernet(root / "stream").dir,
    }
    assert export.main(list(map(str, folders.values()))) == 0
    found = {name: folder / "export/onnx" for name, folder in folders.items()}
    soundfile.write(root / "audio.wav", speech(1.2), 16000)
    return found, str(root / "audio.wav")


def run(folder, *args):
    done = subprocess.run(
        [sys.executable, str(folder / "recognise.py"), *map(str, args)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


def swap_tokens(path):
    lines = path.read_text().splitlines()
    lines[5], lines[6] = (
        f"{lines[6].rsplit(' ', 1)[0]} 5",
        f"{lines[5].rsplit(' ', 1)[0]} 6",
    )
    path.write_text("\n".join(lines) + "\n")


def set_meta(**changes):
    def change(folder, _):
        write_json(folder / "meta.json", {**read_json(folder / "meta.json"), **changes})

    return change


def drop_tokens(folder, _):
    lines = (folder / "tokens.txt").read_text().splitlines()
    (folder / "tokens.txt").write_text("\n".join(lines[:5]) + "\n")


# What is done to the copy of an export; a word of the message of bin/recognise; whether
# the script, which has no checksums, refuses it as well.
CHANGES = {
    "a byte of the model": (
        lambda folder, _: flip(folder / "model.onnx"),
        "model.onnx is not the file that was exported",
        False,
    ),
    "another model": (
        lambda folder, found: shutil.copy(found["other"] / "model.onnx", folder),
        "model.onnx is not the file that was exported",
        False,
    ),
    "half a model": (
        lambda folder, _: (folder / "model.onnx").write_bytes(
            (folder / "model.onnx").read_bytes()[:5000]
        ),
        "model.onnx is not the file",
        True,
    ),
    "a model of another kind": (
        lambda folder, found: shutil.copy(
            found["stream"] / "chunk.onnx", folder / "model.onnx"
        ),
        "model.onnx is not the file",
        True,
    ),
    "tokens in another order": (
        lambda folder, _: swap_tokens(folder / "tokens.txt"),
        "tokens.txt is not the file that was exported",
        False,
    ),
    "fewer tokens": (drop_tokens, "tokens.txt is not the file", True),
    "tokens that are no text": (
        lambda folder, _: (folder / "tokens.txt").write_bytes(b"\xff 0\n"),
        "tokens.txt is not the file",
        True,
    ),
    "no tokens": (
        lambda folder, _: (folder / "tokens.txt").unlink(),
        "an ONNX file, but not tokens.txt",
        True,
    ),
    "no meta.json": (
        lambda folder, _: (folder / "meta.json").unlink(),
        "an ONNX file, but not meta.json",
        True,
    ),
    "half a meta.json": (
        lambda folder, _: (folder / "meta.json").write_text('{"format": 1,'),
        "meta.json is not JSON",
        True,
    ),
    "a list as meta.json": (
        lambda folder, _: (folder / "meta.json").write_text("[]"),
        "meta.json is not that of an export",
        True,
    ),
    "a value of another type": (set_meta(blank="x"), "blank is 'x'", True),
    "a blank that is no token": (set_meta(blank=999), "blank is 999", True),
    "a rate below zero": (set_meta(sample_rate=-1), "sample_rate is -1", True),
    "no number of tokens": (set_meta(vocabulary=True), "vocabulary is True", True),
    "another rate": (
        set_meta(sample_rate=8000),
        "sample_rate is 8000, but the model was exported with 16000",
        True,
    ),
    "another blank": (set_meta(blank=1), "exported with 0", True),
    "a later format": (set_meta(format=2), "format 2 is not known here", None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_as_it_was_exported(made, tmp_path, caplog, capsys, name):
    change, words, by_script = CHANGES[name]
    found, audio = made
    folder = tmp_path / "copy"
    shutil.copytree(found["whole"], folder)
    assert recognise.main([str(folder), audio]) == 0
    assert run(folder, audio)[1].split("\t")[1] == capsys.readouterr().out != ""
    change(folder, found)
    assert recognise.main([str(folder), audio]) == 2
    assert words in caplog.text and capsys.readouterr().out == ""
    if by_script is not None:
        status, out, _ = run(folder, audio)
        assert (status, out) == (2, "") if by_script else status == 0


def test_a_changed_model_under_another_name_is_used(made, tmp_path, capsys):
    found, audio = made
    folder = tmp_path / "copy"
    shutil.copytree(found["whole"], folder)
    content = onnx.load(str(folder / "model.onnx"))
    bias = next(t for t in content.graph.initializer if t.name.endswith("lo.bias"))
    values = onnx.numpy_helper.to_array(bias).copy()
    values[:] = -1000.0
    values[3] = 0.0  # only "A" is left
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(content, str(folder / "mine.onnx"))
    assert recognise.main([str(folder), audio, "--model_file", "mine.onnx"]) == 0
    assert capsys.readouterr().out == "A\n"


def test_a_file_that_is_no_model_for_onnxruntime(made, tmp_path, caplog):
    found, audio = made
    folder = found["whole"]
    assert recognise.main([str(folder), audio, "--model_file", "tokens.txt"]) == 2
    assert "tokens.txt is no model that onnxruntime can load" in caplog.text
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/mine.onnx").write_text("no model")
    options = [audio, "--model_file", "mine.onnx"]
    assert recognise.main([str(tmp_path / "copy"), *options]) == 2
    assert "mine.onnx is no model that onnxruntime can load" in caplog.text
    shutil.copy(found["stream"] / "chunk.onnx", tmp_path / "copy/mine.onnx")
    assert recognise.main([str(tmp_path / "copy"), *options]) == 2
    assert "not samples, lengths: it is a model of another kind" in caplog.text
    for script, name in (("whole", "tokens.txt"), ("stream", "front_end.onnx")):
        status, out, err = run(found[script], audio, "--model", name)
        assert (status, out) == (2, "") and f"--model {name}: " in err


def test_values_that_only_the_script_reads(made, tmp_path):
    found, audio = made
    folder = tmp_path / "copy"
    shutil.copytree(found["whole"], folder)
    good = read_json(folder / "meta.json")
    for key, value in (("drop", [-1]), ("drop", 5), ("token_type", 5), ("input", "x")):
        write_json(folder / "meta.json", {**good, key: value})
        status, out, err = run(folder, audio)
        assert (status, out) == (2, "") and f"meta.json: {key}" in err.replace(
            "blank and drop", "drop"
        )


STREAM_VALUES = {
    "sample_rate": "16000",
    "blank": 30,
    "streaming.chunk_frames": 8,
    "streaming.look_ahead_frames": -1,
    "streaming.stride": 0,
    "streaming.shift": 1.5,
    "framing.hop": 0,
    "framing.size": "512",
    "streaming.caches": [{"name": "frames", "shape": [1]}],
}
# What the script says of values that are only wrong together with others.
SAID = {
    "blank": "meta.json: blank and drop are [30, ",
    "streaming.caches": "which are not the caches that meta.json lists",
}


@pytest.mark.parametrize("key", STREAM_VALUES)
def test_values_of_a_streaming_export(made, tmp_path, key):
    found, audio = made
    folder = tmp_path / "copy"
    shutil.copytree(found["stream"], folder)
    meta = read_json(folder / "meta.json")
    place, _, name = key.rpartition(".")
    (meta[place] if place else meta)[name] = STREAM_VALUES[key]
    write_json(folder / "meta.json", meta)
    status, out, err = run(folder, audio)
    assert (status, out) == (2, "")
    assert SAID.get(key, f"meta.json: {key} is {STREAM_VALUES[key]!r}") in err
    if key not in ("streaming.shift", "streaming.caches"):  # the page has other readers
        with pytest.raises(UserError, match=f"{key} is "):
            web_models(folder, "models/0")


@pytest.mark.parametrize("name", ["front_end.onnx", "chunk.onnx", "tokens.txt"])
def test_a_streaming_export_that_was_changed(made, tmp_path, name):
    folder = tmp_path / "copy"
    shutil.copytree(made[0]["stream"], folder)
    web_models(folder, "models/0")
    (folder / name).write_text("x 0\n")
    with pytest.raises(UserError, match=f"{name} is not the file that was exported"):
        web_models(folder, "models/0")
    status, out, _ = run(folder, made[1])
    assert (status, out) == (2, "")


def test_an_export_is_no_experiment(made, caplog):
    for folder in made[0].values():
        for one in (folder, folder.parent):
            caplog.clear()
            assert export.main([str(one)]) == 2
            assert f"{folder} is an export already, of asr_tiny" in caplog.text
        assert json.loads((folder / "meta.json").read_text())["target"] == "onnx"


def test_the_folder_of_the_exports_is_no_export(made, caplog):
    folder = made[0]["whole"]
    assert recognise.main([str(folder.parent), made[1]]) == 2
    assert f"{folder.parent} is not an export, it holds exports: give {folder}" in (
        caplog.text
    )


def test_a_packed_model_is_no_folder(made, tmp_path, caplog):
    packed = tmp_path / "packed.zip"
    packed.write_bytes(b"PK")
    page = ["--output_dir", str(tmp_path / "page")]
    for command, options in ((export, []), (recognise, [made[1]]), (web, page)):
        caplog.clear()
        assert command.main([str(packed), *options]) == 2
        assert f"import_reference --reference {packed}" in caplog.text


@pytest.mark.parametrize("in_one_step", [True, False])
@pytest.mark.parametrize("last", [1, 2])
def test_ctrl_c_while_an_export_is_replaced(tmp_path, monkeypatch, in_one_step, last):
    """However far the replacement is, one whole folder is there."""
    import os

    folder, calls, replace = tmp_path / "onnx", [], os.replace
    folder.mkdir()
    (folder / "meta.json").write_text("old")
    if not in_one_step:
        name = "espnet_plugin.export.folder.exchange_folders"
        monkeypatch.setattr(name, lambda one, other: False)

    def interrupted(*paths):
        calls.append(paths)
        if len(calls) == last:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", interrupted)
    try:
        with whole_folder(folder) as new:
            (new / "meta.json").write_text("new")
    except KeyboardInterrupt:
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]
    expected = "new" if in_one_step else "old"
    assert (folder / "meta.json").read_text() == expected
