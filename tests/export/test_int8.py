"""The quantised file has to be as good, and what it costs is measured."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_asr import build_tiny_asr

from espnet_plugin.bin.export import main
from espnet_plugin.export.dev import DevSet
from espnet_plugin.export.int8 import make_int8
from espnet_plugin.export.ports import SamplesPort
from espnet_plugin.export.quantise import (
    products_of,
    quantise,
    quantised_products,
    stored_of,
)
from espnet_plugin.export.reference import best_tokens, stock_alone
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.source import load_source
from espnet_plugin.export.write import write_model
from espnet_plugin.files import read_json
from espnet_plugin.measure.workload import speech_like_noise

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

LAYERS = 3
UTTERANCES = 12


def build(root, spoilt_layers):
    """Write a model that says the same in 32 bits whichever layers are spoilt.

    One input of the feed-forward module is made so large, and its weights so small,
    that eight bits have no room left for the others.
    """
    made = build_tiny_asr(root, num_blocks=LAYERS)
    config = yaml.safe_load(made.config.read_text())
    # Every token is a word, so that a few utterances have many words.
    config["token_type"] = "word"
    made.config.write_text(yaml.safe_dump(config))
    state = torch.load(made.checkpoint)
    for layer in spoilt_layers:
        prefix = f"encoder.encoders.{layer}."
        state[f"{prefix}norm_ff.weight"][0] *= 3e3
        state[f"{prefix}norm_ff.bias"][0] *= 3e3
        state[f"{prefix}feed_forward.w_1.weight"][:, 0] /= 3e3
    torch.save(state, made.checkpoint)
    source, port = load_source(made.dir), SamplesPort()
    audio = {
        f"utt{seed:02d}": speech_like_noise(16000, 2.0, seed).numpy()
        for seed in range(UTTERANCES)
    }
    texts = {}
    for name, samples in audio.items():
        log_probs = stock_alone(source, torch.from_numpy(samples))
        texts[name] = source.text(best_tokens(log_probs, source.facts))
    write_model(port, source, root / "model.onnx", {})
    return source, port, DevSet("made_up", audio, texts)


def make(root, spoilt_layers, limit):
    source, port, dev = build(root, spoilt_layers)
    target = root / "model.int8.onnx"
    result, texts = make_int8(source, port, root / "model.onnx", target, dev, limit)
    # Its own text is the reference.
    assert result.wer_fp32 == 0.0 and result.utterances == UTTERANCES
    assert result.difference == result.wer_int8
    assert set(texts) == set(dev.text)
    return result, target


def test_a_good_one_is_written(tmp_path):
    result, target = make(tmp_path, [], 25.0)
    assert result.accepted and result.kept_fp32 == () and result.reason == ""
    products = products_of(tmp_path / "model.onnx")
    # Six a layer, a convolution and a product before them, and one after.
    assert result.products == quantised_products(target) == len(products) == 21
    graph = onnx.load(str(target)).graph
    # Other convolutions are computed in 32 bits, and the front end stays as it is.
    assert not any(node.op_type == "ConvInteger" for node in graph.node)
    kept = [n.name for n in graph.node if n.op_type == "MatMul"]
    # Real parts, imaginary parts, and the weighted sums of their power.
    assert sum("front_end" in name for name in kept) == 3
    exact = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert all(len(t.dims) < 3 for t in exact if not t.name.endswith("_scale"))
    kinds = {t.data_type for t in graph.initializer if t.name.endswith("_quantized")}
    assert kinds == {onnx.TensorProto.INT8}


def test_the_layer_that_loses_is_kept_in_32_bits(tmp_path):
    result, target = make(tmp_path, [1], 25.0)
    assert result.accepted and target.is_file()
    assert result.kept_fp32 == ("encoder.encoders.1.feed_forward.w_1",)
    assert result.products == quantised_products(target)
    assert result.products == len(products_of(tmp_path / "model.onnx")) - 1


def test_one_that_loses_everywhere_is_not_written(tmp_path):
    result, target = make(tmp_path, range(LAYERS), 0.0)
    assert not result.accepted and not target.exists()
    assert result.difference > 0
    assert "more than --max_wer_loss 0" in result.reason
    changes = result.more_substitutions + result.more_deletions + result.more_insertions
    assert changes / result.words * 100 == pytest.approx(result.difference)
    for layer in range(LAYERS):
        assert f"encoder.encoders.{layer}.feed_forward.w_1" in result.reason
    # Everything that was tried: none left, one, two, four... up to half of them.
    left = [len(one.kept_fp32) for one in result.attempts]
    assert left[:4] == [0, 1, 2, 4] and left[-1] <= len(products_of(fp32(target))) / 2
    assert result.attempts[-1].kept_fp32 == result.kept_fp32
    assert result.attempts[-1].difference == result.difference
    for one in result.attempts:
        assert f"{len(one.kept_fp32) or 'none'}: {one.difference:+.2f}" in result.reason


def fp32(int8):
    return int8.with_name("model.onnx")


def test_the_command_says_so_by_its_status(tmp_path, caplog):
    """The rest of the folder is written, and other models are exported all the same."""
    source, _, dev = build(tmp_path, range(LAYERS))
    data = tmp_path / "spoken"
    data.mkdir()
    scp, text = [], []
    for name, samples in dev.audio.items():
        soundfile.write(data / f"{name}.wav", samples, 16000, subtype="FLOAT")
        scp.append(f"{name} {data / name}.wav\n")
        text.append(f"{name} {dev.text[name]}\n")
    (data / "wav.scp").write_text("".join(scp))
    (data / "text").write_text("".join(text))
    (data / "utt2spk").write_text("".join(f"{name} {name}\n" for name in dev.audio))
    experiment = tmp_path / "exp" / source.facts.experiment
    other = Path(shutil.copytree(experiment, tmp_path / "exp" / "asr_other"))
    options = ["--dev", str(data), "--int8", "--max_wer_loss"]
    assert main([str(experiment), str(other), *options, "0"]) == 3
    for one in (experiment, other):
        folder = one / "export" / "onnx"
        assert {"model.onnx", "README.md"} <= {path.name for path in folder.iterdir()}
        assert not (folder / "model.int8.onnx").exists()
        assert f"{folder} has no 8-bit file: +" in caplog.text
        int8 = read_json(folder / "meta.json")["int8"]
        assert not int8["accepted"] and int8["reason"] in caplog.text
        assert "Not written: +" in (folder / "README.md").read_text()
    assert main([str(experiment), *options, "1000"]) == 0
    assert (experiment / "export/onnx/model.int8.onnx").is_file()


def test_stored_weights_are_within_half_a_step_and_change_little(tmp_path):
    source, port, dev = build(tmp_path, [])
    fp32, int8 = tmp_path / "model.onnx", tmp_path / "stored.onnx"
    stored = stored_of(fp32)
    # The first convolution, one a layer, and two matrices of positions.
    assert len(stored) == 1 + LAYERS * 3
    quantise(fp32, int8, products_of(fp32))
    assert quantised_products(int8) == 0
    old = {t.name: onnx.numpy_helper.to_array(t) for t in load(fp32).initializer}
    new = {t.name: onnx.numpy_helper.to_array(t) for t in load(int8).initializer}
    for node in load(fp32).node:
        if node.name in stored:
            name = node.input[1]
            step = new[f"{name}_scale"]
            assert new[f"{name}_stored"].dtype == np.int8 and name not in new
            error = np.abs(new[f"{name}_stored"] * step - old[name])
            assert (error <= step * 0.5001).all()
    (samples,) = list(dev.audio.values())[:1]
    outputs = [OnnxModel(p).run(port.feed([samples])) for p in (fp32, int8)]
    difference = np.abs(port.read(outputs[0])[0] - port.read(outputs[1])[0]).max()
    assert 0 < difference < 0.5
    assert int8.stat().st_size < fp32.stat().st_size


def load(path):
    return onnx.load(str(path)).graph


def test_kept_products_compute_in_32_bits(tmp_path):
    build(tmp_path, [])
    products = products_of(tmp_path / "model.onnx")
    quantise(tmp_path / "model.onnx", tmp_path / "some.onnx", products[:5])
    assert quantised_products(tmp_path / "some.onnx") == len(products) - 5
    left = [n.name for n in onnx.load(str(tmp_path / "some.onnx")).graph.node]
    assert set(products[:5]) <= set(left)
    every = products + stored_of(tmp_path / "model.onnx")
    quantise(tmp_path / "model.onnx", tmp_path / "none.onnx", every)
    assert quantised_products(tmp_path / "none.onnx") == 0
    np.testing.assert_array_equal(
        np.frombuffer((tmp_path / "none.onnx").read_bytes(), np.uint8),
        np.frombuffer((tmp_path / "model.onnx").read_bytes(), np.uint8),
    )


# What is put into the process of run_sherpa.py: with the file in 8 bits it gets the
# tokens in another order, so that all of its texts are others.
DIFFERENT = """
import os, sys
if os.path.basename(sys.argv[0]) == "run_sherpa.py" and "model.int8.onnx" in sys.argv:
    import sherpa_onnx
    stock = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc

    def other(model, tokens, **options):
        symbols = [line.split()[0] for line in open(tokens, encoding="utf-8")]
        symbols[3:29] = reversed(symbols[3:29])
        with open(tokens + ".other", "w", encoding="utf-8") as file:
            file.writelines(f"{one} {n}\\n" for n, one in enumerate(symbols))
        return stock(model=model, tokens=tokens + ".other", **options)

    sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc = other
"""


def test_only_the_8_bit_file_says_other_things_in_sherpa_onnx(
    tiny_asr_model, tmp_path, monkeypatch, caplog
):
    pytest.importorskip("sherpa_onnx")
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches/sitecustomize.py").write_text(DIFFERENT)
    paths = [str(tmp_path / "patches"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    folder = tmp_path / "export"
    options = ["--dev", str(tiny_asr_model.data_dir), "--output_dir", str(folder)]
    options += ["--target", "sherpa-onnx", "--int8", "--max_wer_loss", "1000"]
    assert main([str(tiny_asr_model.dir), *options]) == 3
    meta = read_json(folder / "meta.json")
    assert not meta["int8"]["accepted"]
    assert "run_sherpa.py with model.int8.onnx recognises" in meta["int8"]["reason"]
    assert meta["int8"]["reason"] in (folder / "README.md").read_text()
    assert meta["int8"]["reason"] in caplog.text
    # Everything else is there, and nothing speaks of the file in 8 bits.
    assert sorted(path.name for path in folder.glob("*.onnx")) == ["model.onnx"]
    assert "model.int8.onnx" not in meta["files"] and list(meta["measured"]) == [
        "model.onnx"
    ]
    assert [one["model"] for one in meta["verified"]["runner"]] == ["model.onnx"]
