"""A streaming export on utterances: texts, eight bits behind the gate, figures."""

import subprocess
import sys

import onnx
import pytest
import soundfile
import torch
from tiny_stream import RATE, speech, supernet

from espnet_plugin.bin.export import main
from espnet_plugin.dual_mode.load import load_recogniser
from espnet_plugin.files import read_json, read_pairs

pytest.importorskip("onnxruntime")

LAYERS = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A streaming model, and utterances whose transcripts are what it says."""
    root = tmp_path_factory.mktemp("stream")
    tiny = supernet(root)
    return tiny, spoken(tiny.dir, root / "data")


def spoken(experiment, data):
    data.mkdir()
    recogniser, tables = load_recogniser(experiment), {"wav.scp": [], "text": []}
    for number in range(8):
        samples, path = speech(2.0, number), data / f"u{number}.wav"
        soundfile.write(path, samples, RATE, subtype="FLOAT")
        recogniser.reset()
        said = recogniser.accept(samples, last=True).text
        tables["wav.scp"].append(f"u{number} {path}\n")
        tables["text"].append(f"u{number} {said}\n")
    for name, lines in tables.items():
        (data / name).write_text("".join(lines))
    (data / "utt2spk").write_text("".join(f"u{n} u{n}\n" for n in range(8)))
    return data


def test_texts_int8_and_figures(model):
    tiny, data = model
    options = ["--dev", str(data), "--int8", "--max_wer_loss", "1000", "--measure"]
    assert main([str(tiny.dir), *options]) == 0
    folder = tiny.dir / "export" / "onnx"
    meta = read_json(folder / "meta.json")
    assert meta["verified"]["dev"]["same_tokens"] == 8
    assert meta["int8"]["accepted"] and meta["int8"]["wer_fp32"] == 0.0
    nodes = onnx.load(str(folder / "chunk.int8.onnx")).graph.node
    assert sum(n.op_type == "MatMulInteger" for n in nodes) == meta["int8"]["products"]
    assert meta["int8"]["products"] >= 4 * LAYERS
    front_end = (folder / "front_end.onnx").stat().st_size
    for name in ("chunk.onnx", "chunk.int8.onnx"):
        one = meta["measured"][name]
        assert one["file_bytes"] == front_end + (folder / name).stat().st_size
        assert one["chunk_ms"] > 0 and 0 < one["rtf_10s"] < 1
        assert 20 < one["process_mb"] < 500 and one["first_word_s"] > 0
    assert meta["measured"]["chunk.onnx"]["wer"] == 0.0
    assert meta["measured"]["chunk.int8.onnx"]["wer"] == meta["int8"]["wer_int8"]
    # What the script says with either file is what was counted.
    texts, wrong = read_pairs(data / "text"), 0
    done = subprocess.run(
        [sys.executable, str(folder / "recognise.py"), "--quiet"]
        + ["--model", "chunk.onnx", *read_pairs(data / "wav.scp").values()],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    for said, expected in zip(done.stdout.splitlines(), texts.values()):
        wrong += said.split() != expected.split()
    assert wrong == 0


def test_one_that_loses_too_much_is_not_written(model, tmp_path, caplog):
    """An input of a module so large that eight bits have no room for the others."""
    tiny = supernet(tmp_path)
    state = torch.load(tiny.checkpoint, weights_only=True)
    # More products than the gate may leave in 32 bits: three of six in each layer.
    spoilt = {
        "norm_ff": ["feed_forward.w_1"],
        "norm_mha": [f"self_attn.linear_{name}" for name in "qkv"],
        "norm_conv": ["conv_module.pointwise_conv1"],
    }
    for layer in range(LAYERS):
        prefix = f"encoder.encoders.{layer}."
        for norm, readers in spoilt.items():
            for name in ("weight", "bias"):
                state[f"{prefix}{norm}.{name}"][0] *= 3e4
            for reader in readers:
                state[f"{prefix}{reader}.weight"][:, 0] /= 3e4
    torch.save(state, tiny.checkpoint)
    data = spoken(tiny.dir, tmp_path / "data")
    options = ["--dev", str(data), "--int8", "--max_wer_loss", "0"]
    assert main([str(tiny.dir), *options]) == 3
    folder = tiny.dir / "export" / "onnx"
    assert not (folder / "chunk.int8.onnx").exists()
    assert (folder / "chunk.onnx").is_file()
    int8 = read_json(folder / "meta.json")["int8"]
    assert not int8["accepted"] and int8["difference"] > 0
    assert "has no 8-bit file: +" in caplog.text
    assert "Not written: +" in (folder / "README.md").read_text()


def test_not_for_sherpa_onnx(model, caplog):
    tiny, data = model
    options = ["--target", "sherpa-onnx", "--dev", str(data), "--int8"]
    assert main([str(tiny.dir), *options]) == 2
    assert "--int8: a streaming model" in caplog.text
