"""The file with an input of one length says what ESPnet says, and has no free size."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from misread import misread_by_mnn, misread_by_onnx2tf
from tiny_export import (
    VARIANTS,
    build_fbank_model,
    build_variant,
    check_operators,
    espnet_log_probs,
    noise,
)
from tiny_stream import supernet

from espnet_plugin.bin.export import main
from espnet_plugin.bin.recognise import main as recognise
from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.fixed import FIXED, check_can_be_fixed, make_fixed
from espnet_plugin.export.ports import FeaturesPort, SamplesPort
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.source import load_source
from espnet_plugin.export.static import make_static, unknown_sizes
from espnet_plugin.export.verify import check_parity, given_input
from espnet_plugin.export.write import write_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

OF_PADDING = (
    "conformer_legacy",
    "conformer_conv1d",
    "conformer_convolutional_positions",
)
SIZE = 20000
# Operators whose result is a size, or has one that depends on values.
OF_SIZES = {
    "Shape",
    "Size",
    "NonZero",
    "Range",
    "ConstantOfShape",
    "Compress",
    "Unique",
}


def tensors_and_operators(path):
    model = onnx.load(str(path))
    return unknown_sizes(model), {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in OF_PADDING])
def test_every_encoder_says_the_same_with_silence_after_it(name, tmp_path):
    source = load_source(build_variant(tmp_path, name).dir)
    check_can_be_fixed(source, 1.0)
    port, path = SamplesPort(SIZE), tmp_path / "fixed.onnx"
    write_model(port, source, path, {})
    make_static(path)
    check_operators(path)
    unknown, names = tensors_and_operators(path)
    assert not unknown and not names & OF_SIZES
    assert not misread_by_onnx2tf(path) and not misread_by_mnn(path)
    model = OnnxModel(path)
    for count in (5000, 5001, 12345, SIZE - 1, SIZE):
        samples = noise(count, count)
        (expected,) = espnet_log_probs(source.model, [samples])
        (found,) = port.read(model.run(port.feed([samples])))
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_graph_of_any_length_is_not_static(tiny_asr_model, tmp_path):
    source, path = load_source(tiny_asr_model.dir), tmp_path / "model.onnx"
    write_model(SamplesPort(), source, path, {})
    # A negative control: floor, grouped convolution and joined channels.
    assert len(misread_by_onnx2tf(path)) >= 2
    with pytest.raises(UserError, match="sizes of .* tensors still depend"):
        make_static(path)
    assert [one.name for one in tmp_path.iterdir() if "model.onnx" in one.name] == [
        "model.onnx"
    ]


def test_what_mnn_computes_in_another_way_is_found(tmp_path):
    def node(kind, given=1, **attributes):
        names = [f"x{number}" for number in range(given)]
        return onnx.helper.make_node(kind, names, ["y"], kind, **attributes)

    wrong = [
        node("LogSoftmax"),
        node("Gemm", 2, transA=1),
        node("ScatterElements", 3, reduction="add"),
        node("Conv", 2, auto_pad="SAME_LOWER"),
        node("ArgMax", select_last_index=1),
        node("GRU", 3, hidden_size=4),
        node("LSTM", 3, hidden_size=4, direction="reverse"),
        node("Round"),
    ]
    right = [
        node("LogSoftmax", axis=-1),
        node("Gemm", 2, transB=1),
        node("ScatterElements", 3, axis=1),
        node("GRU", 3, hidden_size=4, linear_before_reset=1),
    ]
    for nodes, expected in ((wrong, [one.op_type for one in wrong]), (right, [])):
        graph = onnx.helper.make_graph(nodes, "some", [], [])
        path = tmp_path / "some.onnx"
        onnx.save(onnx.helper.make_model(graph), path)
        assert misread_by_mnn(path) == expected


@pytest.mark.parametrize("name", OF_PADDING)
def test_models_that_hear_the_padding_are_refused_before_anything_is_written(
    name, tmp_path, caplog
):
    folder = build_variant(tmp_path, name).dir
    assert main([str(folder), "--fixed_seconds", "2"]) == 2
    assert "--fixed_seconds 2" in caplog.text and "leave the option out" in caplog.text
    assert not (folder / "export" / "onnx").exists()


@pytest.mark.parametrize("kind", ["samples", "features"])
def test_kaldi_features_computed_inside_and_outside(kind, tmp_path):
    made = build_fbank_model(tmp_path)
    source = load_source(made.dir, fbank_rate=16000)
    port = SamplesPort() if kind == "samples" else FeaturesPort()
    path = tmp_path / FIXED
    made = make_fixed(source, port, 2.0, path, {}, None)
    assert made.result.size == (32000 if kind == "samples" else 200)
    assert made.result.parity.lengths_s == (0.4, 1.0, 2.0)
    assert made.result.parity.max_difference < 1e-4
    assert not tensors_and_operators(path)[0]
    # The longest input is full: one sample or frame more has no room.
    longest = given_input(source, port, noise(32000, 1))
    fixed = type(port)(made.result.size)
    fixed.feed([longest])
    with pytest.raises(ValueError):
        fixed.feed([np.concatenate([longest, longest[:1]])])


@pytest.fixture(scope="module")
def exported(tiny_asr_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fixed") / "onnx"
    options = ["--dev", str(tiny_asr_model.data_dir), "--output_dir", str(folder)]
    options += ["--fixed_seconds", "1.5"]
    assert main([str(tiny_asr_model.dir), *options]) == 0
    return folder


def test_the_folder_says_what_the_file_takes(exported):
    meta = json.loads((exported / "meta.json").read_text())
    fixed = meta["fixed"]
    assert fixed["seconds"] == 1.5 and fixed["size"] == 24000
    assert fixed["parity"]["lengths_s"] == [0.4, 1.0, 1.5]
    assert fixed["dev"]["same_tokens"] == fixed["dev"]["utterances"] > 0
    ran = [one for one in meta["verified"]["runner"] if one["model"] == FIXED]
    assert ran and ran[0]["same_texts"] == ran[0]["utterances"]
    card = (exported / "README.md").read_text()
    assert "at most 1.5 s" in card and "24000" in card
    said = OnnxModel(exported / FIXED)
    assert said.size == 24000 and said.said["fixed_size"] == "24000"
    assert OnnxModel(exported / "model.onnx").size is None


def test_the_script_and_the_recogniser_pad_and_cut(exported, tmp_path, capsys):
    """The same text as the file of any length where nothing is cut."""
    wave = noise(22222, 3)
    soundfile.write(tmp_path / "short.wav", wave, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "long.wav", noise(90000, 4), 16000, subtype="FLOAT")
    files = [str(tmp_path / "short.wav"), str(tmp_path / "long.wav")]
    script = [sys.executable, str(exported / "recognise.py"), *files]
    texts = {}
    for name, options in {
        FIXED: [],
        "model.onnx": ["--longest", "1.5"],
    }.items():
        command = [*script, "--model", name, *options]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        texts[name] = done.stdout
    assert texts[FIXED] == texts["model.onnx"] and texts[FIXED].count("\n") == 2

    said = {}
    for name in texts:
        options = ["--model_file", name, "--max_segment_seconds", "1.5"]
        assert recognise([str(exported), *files, *options]) == 0
        said[name] = capsys.readouterr().out
    assert said[FIXED] == said["model.onnx"] != ""


def test_audio_that_is_too_long_is_named_with_a_way_out(exported, tmp_path, caplog):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(90000, 4), 16000, subtype="FLOAT")
    assert recognise([str(exported), str(path), "--model_file", FIXED]) != 0
    assert "at most 1.5 s" in caplog.text
    assert "--max_segment_seconds 1.5" in caplog.text


def test_filter_bank_models_are_recognised_with_it(tmp_path, capsys):
    """The times of their frames are measured with audio that the file takes."""
    tiny = build_fbank_model(tmp_path / "raw")
    folder = tmp_path / "onnx"
    options = ["--fbank_rate", "16000", "--output_dir", str(folder)]
    assert main([str(tiny.dir), *options, "--fixed_seconds", "3"]) == 0
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(20000, 3), 16000, subtype="FLOAT")
    said = {}
    for name in (FIXED, "model.onnx"):
        given = [str(folder), str(path), "--model_file", name, "--format", "json"]
        assert recognise([*given, "--max_segment_seconds", "3"]) == 0
        said[name] = json.loads(capsys.readouterr().out)
    parts = [one["segments"][0]["words"] for one in said.values()]
    assert [w["word"] for w in parts[0]] == [w["word"] for w in parts[1]] != []
    starts = [[w["start"] for w in words] for words in parts]
    np.testing.assert_allclose(*starts, atol=0.02)


def test_features_that_are_too_long_are_named_with_a_way_out(tiny_asr_model, tmp_path):
    folder = tmp_path / "onnx"
    options = ["--features", "--output_dir", str(folder), "--fixed_seconds", "2"]
    assert main([str(tiny_asr_model.dir), *options]) == 0
    shape = onnx.load(folder / FIXED).graph.input[0].type.tensor_type.shape.dim
    most, width = shape[1].dim_value, shape[2].dim_value
    np.save(tmp_path / "long.npy", np.zeros((most + 5, width), np.float32))
    command = [sys.executable, folder / "recognise.py", tmp_path / "long.npy"]
    done = subprocess.run([*command, "--model", FIXED], capture_output=True, text=True)
    assert done.returncode != 0
    assert f"has {most + 5} frames of features" in done.stderr
    assert f"at most {most}" in done.stderr and "use model.onnx" in done.stderr


class _NotANumber(OnnxModel):
    def run(self, feed):
        first, *rest = super().run(feed)
        return [first * np.nan if feed["lengths"][0] > 8000 else first, *rest]


def test_a_file_that_gives_nan_is_refused(tiny_asr_model, tmp_path):
    source, path = load_source(tiny_asr_model.dir), tmp_path / "fixed.onnx"
    port = SamplesPort(24000)
    write_model(port, source, path, {})
    assert check_parity(source, port, OnnxModel(path), 1.5).max_difference < 1e-4
    with pytest.raises(UserError, match="not finite for 1.0 s"):
        check_parity(source, port, _NotANumber(path), 1.5)


def test_options_that_do_not_fit_together(tiny_asr_model, tmp_path, caplog):
    folder = shutil.copytree(tiny_asr_model.dir, tmp_path / "asr")
    options = ["--fixed_seconds", "2", "--target", "sherpa-onnx"]
    assert main([str(folder), *options]) == 2
    assert "--fixed_seconds 2" in caplog.text and "--target onnx" in caplog.text
    for wrong in ("0.5", "nan", "1e9", "two"):
        with pytest.raises(SystemExit):
            main([str(folder), "--fixed_seconds", wrong])
    assert not (folder / "export").exists()


def test_chunks_of_a_streaming_export_have_fixed_sizes_anyway(tmp_path, caplog):
    tiny = supernet(tmp_path)
    assert main([str(tiny.dir), "--fixed_seconds", "2"]) == 2
    assert "--fixed_seconds is not for" in caplog.text
    assert main([str(tiny.dir)]) == 0
    exported = tiny.dir / "export" / "onnx"
    assert not tensors_and_operators(exported / "chunk.onnx")[0]
    # A negative control: the front end takes any number of samples.
    assert tensors_and_operators(exported / "front_end.onnx")[0]


def test_no_utterance_is_short_enough(tiny_asr_model, tmp_path, caplog):
    """Then nothing is claimed about texts."""
    source = load_source(tiny_asr_model.dir)
    dev = DevSet("dev", {"a": noise(40000, 1)}, {"a": "ONE"})
    made = make_fixed(source, SamplesPort(), 1.0, tmp_path / FIXED, {}, dev)
    assert made.dev is None and made.result.dev is None and not made.texts
    assert "longer than --fixed_seconds 1" in caplog.text
