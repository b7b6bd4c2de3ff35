"""The dense mode of a dual-mode model, exported like one for whole utterances."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from misread import misread_by_mnn, misread_by_onnx2tf
from tiny_asr import build_tiny_asr
from tiny_export import noise
from tiny_stream import speech, supernet

from espnet_plugin.bin.export import main
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.export.mode import export_mode
from espnet_plugin.files import read_json, write_json


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    tiny = supernet(tmp_path_factory.mktemp("raw"))
    folder = tiny.dir / "whole"
    command = [str(tiny.dir), "--mode", "full", "--dev", str(tiny.data_dir)]
    command += ["--int8", "--max_wer_loss", "1000", "--output_dir", str(folder)]
    command += ["--fixed_seconds", "2"]
    assert main(command) == 0
    return tiny, folder


@torch.no_grad()
def log_probs_of(model, samples):
    encoded, _ = model.encode(
        torch.from_numpy(samples)[None], torch.tensor([len(samples)])
    )
    return model.ctc.log_softmax(encoded)[0].numpy()


def run(folder, utterances, model="model.onnx"):
    session = onnxruntime.InferenceSession(
        str(folder / model), providers=["CPUExecutionProvider"]
    )
    lengths = np.array([len(one) for one in utterances], np.int64)
    batch = np.zeros((len(utterances), lengths.max()), np.float32)
    for row, one in zip(batch, utterances):
        row[: len(one)] = one
    feed = {"samples": batch, "lengths": lengths}
    found, counts = session.run(None, feed)
    return [row[:count] for row, count in zip(found, counts)]


def test_the_file_of_fixed_size_is_that_mode_too(exported):
    """Its length is 2 s; the file of any length gets what is left, without zeros."""
    _, folder = exported
    session = onnxruntime.InferenceSession(str(folder / "model.fixed.onnx"))
    assert session.get_inputs()[0].shape == [1, 32000]
    path = folder / "model.fixed.onnx"
    assert not misread_by_onnx2tf(path) and not misread_by_mnn(path)
    for count in (5000, 20001, 32000):
        samples = noise(count, count)
        batch = np.zeros((1, 32000), np.float32)
        batch[0, :count] = samples
        feed = {"samples": batch, "lengths": np.array([count])}
        found, (frames,) = session.run(None, feed)
        (expected,) = run(folder, [samples])
        np.testing.assert_allclose(found[0, :frames], expected, atol=1e-4)


def test_it_is_the_dense_mode_and_not_the_other(exported):
    tiny, folder = exported
    model, _ = load_asr_model(tiny.config, tiny.checkpoint)
    utterances = [speech(1.3, 1), speech(0.4, 2), noise(50001, 3)]
    alone = [run(folder, [one])[0] for one in utterances]
    together = run(folder, utterances)
    for number, samples in enumerate(utterances):
        with model.encoder.using("full"):
            expected = log_probs_of(model, samples)
        with model.encoder.using("streaming"):
            other = log_probs_of(model, samples)
        assert alone[number].shape == expected.shape
        np.testing.assert_allclose(alone[number], expected, atol=1e-4)
        np.testing.assert_allclose(together[number], expected, atol=1e-4)
        assert np.abs(other - expected).max() > 0.1
    assert len(run(folder, [speech(1.0)[:1]])[0]) == 1


def test_the_folder_is_an_ordinary_one(exported):
    tiny, folder = exported
    meta = read_json(folder / "meta.json")
    assert meta["input"] == "samples" and "streaming" not in meta
    assert meta["verified"]["dev"]["same_tokens"] == 6
    assert meta["int8"]["accepted"] and meta["int8"]["products"] > 20
    model, _ = load_asr_model(tiny.config, tiny.checkpoint)
    dense = [p for n, p in model.encoder.named_parameters() if "pruner" not in n]
    dense += list(model.ctc.parameters())
    assert meta["model"]["parameters"] == sum(p.numel() for p in dense)
    changed = run(folder, [speech(1.0)], "model.int8.onnx")[0]
    exact = run(folder, [speech(1.0)])[0]
    assert 0 < np.abs(changed - exact).max() < 1.0


def test_which_mode_a_folder_is_exported_in(exported, tmp_path, caplog):
    tiny, _ = exported
    assert export_mode(tiny.dir) == "streaming"
    assert export_mode(tiny.dir, "full") == "full"
    full = Path(shutil.copytree(tiny.dir, tmp_path / "asr_full"))
    write_json(full / "meta.json", {"mode": "full", "checkpoint": tiny.checkpoint.name})
    assert export_mode(full) == "full"
    write_json(full / "meta.json", {"mode": "streaming"})
    assert main([str(full), "--mode", "full"]) == 2
    assert "was not trained for whole utterances" in caplog.text
    plain = build_tiny_asr(tmp_path / "plain").dir
    assert export_mode(plain) == export_mode(plain, "full") == "full"
    assert main([str(plain), "--mode", "streaming"]) == 2
    assert "the encoder conformer, which needs whole utterances" in caplog.text


def test_what_was_cut_out_for_streaming_is_refused(tmp_path, caplog):
    cut = supernet(tmp_path, granularity=(), streaming_only=True, mode="streaming")
    assert main([str(cut.dir), "--mode", "full"]) == 2
    assert "streaming_only" in caplog.text and "half of its kernels" in caplog.text
