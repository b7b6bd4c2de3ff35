"""The scripts for sherpa-onnx refuse a meta.json that is not their model's."""

import shutil
import subprocess
import sys

import onnx
import pytest
import soundfile
from tiny_export import build_fbank_model
from tiny_stream import RATE, fbank_model, speech

from espnet_plugin.bin.export import main
from espnet_plugin.export.streaming.derive import export_streaming
from espnet_plugin.files import read_json, write_json

pytest.importorskip("onnxruntime")
pytest.importorskip("sherpa_onnx")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An export for each of sherpa-onnx's own front ends, and a sound file."""
    root = tmp_path_factory.mktemp("made")
    whole = build_fbank_model(root / "whole").dir
    options = ["--target", "sherpa-onnx", "--fbank_rate", str(RATE)]
    assert main([str(whole), *options, "--sherpa_kind", "zipformer_ctc"]) == 0
    stream = fbank_model(root / "stream", look_ahead_frames=0, chunk_frames=8)
    export_streaming(stream, "sherpa-onnx", fbank_rate=RATE)
    soundfile.write(root / "audio.wav", speech(1.2), RATE)
    scripts = {whole: "run_sherpa_kaldi.py", stream: "run_sherpa.py"}
    found = [one / "export/sherpa-onnx" / scripts[one] for one in scripts]
    return found, str(root / "audio.wav")


def run(script, audio):
    done = subprocess.run(
        [sys.executable, str(script), audio], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


# Key, a value that would be believed, and the name in the ONNX file.
WHOLE = {
    "sample_rate": (8000, "sample_rate"),
    "vocabulary": (31, "vocab_size"),
    "model.feature_dim": (21, "feature_dim"),
    "high_freq": (-400, "high_freq"),
}
STREAM = {
    "sample_rate": (8000, "sample_rate"),
    "streaming.chunk_frames": (4, "chunk_frames"),
    "sherpa.num_left_chunks": (2, "num_left_chunks"),
    "sherpa.high_freq": (None, "high_freq"),
    "sherpa.tail_s": (0.0, "tail_s"),
}


@pytest.mark.parametrize("kind, values", [(0, WHOLE), (1, STREAM)])
def test_values_that_are_not_those_of_the_model(made, tmp_path, kind, values):
    scripts, audio = made
    folder = tmp_path / "copy"
    shutil.copytree(scripts[kind].parent, folder)
    script = folder / scripts[kind].name
    inside = {p.key: p.value for p in onnx.load(folder / "model.onnx").metadata_props}
    status, out, err = run(script, audio)
    assert status == 0 and out.startswith(f"{audio}\t"), err
    for key, (value, name) in values.items():
        meta = read_json(scripts[kind].parent / "meta.json")
        place, _, last = key.rpartition(".")
        (meta[place] if place else meta)[last] = value
        write_json(folder / "meta.json", meta)
        if key == "vocabulary":  # a token more, so that the list is as long
            with open(folder / "tokens.txt", "a") as tokens:
                tokens.write("Ä 30\n")
        status, out, err = run(script, audio)
        assert (status, out) == (2, "")
        message = f"meta.json: {key} is {value}, in model.onnx it is {inside[name]}"
        assert message in err
        shutil.copy(scripts[kind].parent / "tokens.txt", folder)
