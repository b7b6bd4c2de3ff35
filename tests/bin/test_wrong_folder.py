"""A wrong folder is refused at once: importing torch and ESPnet takes many seconds."""

import json
import subprocess
import sys

import pytest

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # then "import torch" fails
from espnet_plugin.bin import {command}
sys.exit({command}.main(sys.argv[1:]))
"""


def refused(command, *options):
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH.format(command=command), *options],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2, run.stderr
    return run.stderr


@pytest.fixture
def data(tmp_path):
    """A Kaldi folder with one utterance."""
    (tmp_path / "a.wav").write_bytes(b"")
    folder = tmp_path / "dev"
    folder.mkdir()
    (folder / "wav.scp").write_text(f"a {tmp_path / 'a.wav'}\n")
    (folder / "text").write_text("a one two\n")
    return folder


@pytest.mark.parametrize(
    "command, options",
    [
        ("recognise", ["{model}", "{audio}"]),
        ("confidence", ["{model}", "--data_dir", "{data}"]),
        ("export", ["{model}"]),
        ("web", ["{model}", "--output_dir", "{out}"]),
    ],
)
def test_a_folder_without_a_model(command, options, data, tmp_path):
    model = tmp_path / "no_model"
    model.mkdir()
    places = {
        "model": model,
        "audio": tmp_path / "a.wav",
        "data": data,
        "out": tmp_path / "out",
    }
    said = refused(command, *(one.format(**places) for one in options))
    assert f"configuration {model}/config.yaml is missing" in said


def test_a_test_set_without_transcripts(data, tmp_path):
    """It is read after the first set was recognised, which takes minutes."""
    model = tmp_path / "model"
    model.mkdir()
    config = {"encoder": "conformer", "token_list": ["a"]}
    parts = {name: {} for name in ("encoder_conf", "ctc_conf", "model_conf")}
    (model / "config.yaml").write_text(json.dumps({**config, **parts}))
    test = tmp_path / "test"
    test.mkdir()
    (test / "wav.scp").write_text("b b.wav\n")
    (test / "text").write_text("")
    options = [str(model), "--data_dir", str(data), "--test_dir", str(test)]
    assert f"{test}/text lacks 1 of the 1 utterances" in refused("confidence", *options)
