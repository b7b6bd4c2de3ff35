"""Exported models in the recogniser, against the experiment they are made of."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_asr import build_tiny_asr

from espnet_plugin.bin import recognise
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, read_pairs, write_json
from espnet_plugin.recognise.espnet_model import EspnetCtcModel
from espnet_plugin.recognise.load import can_stream, load_file_recogniser, load_model

pytest.importorskip("onnxruntime")


SIZES = ("chunk_frames", "stride", "span", "left_context_frames", "look_ahead_frames")
STREAMING = {name: 4 for name in SIZES}
FRAMING = {n: 9 for n in ("before", "after", "skip", "least", "size", "hop")}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return build_tiny_asr(tmp_path_factory.mktemp("onnx_model"))


@pytest.fixture(scope="module")
def exported(tiny):
    from espnet_plugin.export.derive import ExportOptions, export_model

    return export_model(tiny.dir, ExportOptions())


def test_it_is_the_model_it_was_made_of(tiny, exported):
    ours, theirs = load_model(exported), EspnetCtcModel(tiny.dir)
    for name in ("tokens", "token_type", "blank", "sample_rate"):
        assert getattr(ours, name) == getattr(theirs, name)
    # Else a word would have other times than in the model itself.
    assert ours.frame_seconds == pytest.approx(theirs.frame_seconds)
    assert ours.first_frame_seconds == pytest.approx(theirs.first_frame_seconds)
    for path in read_pairs(tiny.wav_scp).values():
        samples, _ = soundfile.read(path, dtype="float32")
        expected = theirs.log_posteriors(samples)
        np.testing.assert_allclose(
            ours.log_posteriors(samples), expected, atol=1e-4, rtol=0
        )
    assert ours.log_posteriors(np.zeros(0, np.float32)).shape == (0, len(ours.tokens))


def test_an_export_of_an_earlier_version_is_measured(exported, tmp_path):
    """It has no record of its frame times; their step is exact all the same."""
    folder = Path(shutil.copytree(exported, tmp_path / "earlier"))
    meta = read_json(folder / "meta.json")
    assert meta["model"].pop("first_frame_ms") == 30.0
    write_json(folder / "meta.json", meta)
    earlier = load_model(folder)
    assert earlier.frame_seconds == pytest.approx(0.04)
    assert earlier.first_frame_seconds == pytest.approx(0.03, abs=0.0101)


def test_the_command_takes_either(tiny, exported, capsys):
    waves = list(read_pairs(tiny.wav_scp).values())
    texts = []
    for folder in (tiny.dir, exported):
        assert not can_stream(folder)
        assert recognise.main([str(folder), *waves, "--format", "json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        texts.append([json.loads(line)["text"] for line in lines])
    assert texts[0] == texts[1] and any(texts[0])


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"target": "sherpa-onnx"}, ["sherpa-onnx", "--target onnx"]),
        ({"streaming": STREAMING, "framing": FRAMING}, ["a streaming model"]),
        ({"input": "features"}, ["takes features", "--fbank_rate"]),
    ],
)
def test_other_exports_are_refused(exported, tmp_path, changes, words):
    for path in exported.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "meta.json").unlink()
    meta = read_json(exported / "meta.json")
    write_json(tmp_path / "meta.json", {**meta, **changes})
    with pytest.raises(UserError) as error:
        load_model(tmp_path)
    assert all(word in str(error.value) for word in [str(tmp_path), *words])


def test_threads_are_onnxruntimes(exported, monkeypatch):
    import onnxruntime

    given, session = [], onnxruntime.InferenceSession

    def noted(path, options, **more):
        given.append(options.intra_op_num_threads)
        return session(path, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noted)
    load_file_recogniser(exported, num_threads=2)
    load_file_recogniser(exported)
    assert given == [2, 1]


def test_standard_input_is_for_streaming_models(exported, caplog):
    assert recognise.main([str(exported), "-"]) == 2
    assert "is an export, which is used for whole files" in caplog.text


def test_a_missing_file_is_named_with_what_there_is(exported):
    with pytest.raises(UserError) as error:
        load_model(exported, "model.int8.onnx")
    assert "model.int8.onnx" in str(error.value) and "model.onnx" in str(error.value)


def test_audio_shorter_than_the_first_frame(exported, tmp_path):
    """The export pads it, and what it hears is not after the end of the audio."""
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full(160, 0.1), 16000)
    transcript = load_file_recogniser(exported).file(str(path))
    (word,) = transcript.words
    assert 0.0 <= word.start < word.end == transcript.seconds == 0.01
