"""The dual-mode recipe on the eight real utterances, and the recogniser it leaves."""

import io
import json
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
import soundfile
import torch
from mini_recipe import ROOT, copy_recipe, run, table

from espnet_plugin import host
from espnet_plugin.bin import recognise
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.load import load_recogniser
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json

pytestmark = pytest.mark.slow
# Models are loaded here without a command, which would do it.
host.register()
ROW = "self_pruned_50_s1"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Stages 1 to 7 of a row, a pre-training, a baseline that goes on from another."""
    folder = copy_recipe(tmp_path_factory.mktemp("dual"), "dualmode1")
    run(folder, "--stop_stage", "1")
    extra = folder / "data/audio"
    extra.mkdir()
    for line in (folder / "data/train/wav.scp").read_text().splitlines():
        with open(extra / "wav.scp", "a") as stream:
            stream.write(f"audio-{line}\n")
    options = ["--pretrain_set", "audio"]
    trained = run(folder, *options, "--stage", "2", "--stop_stage", "7")
    assert ": on dev " in trained.stderr
    baselines = "streaming_alone pruned_after_50 pretrained_50"
    options += ["--baselines", baselines, "--epochs", "2"]
    run(folder, *options, "--stage", "8")
    return folder


def test_both_modes_are_models_of_their_own(recipe):
    results = json.loads((recipe / "results.json").read_text())
    rows = {
        (row["method"], row["variant"]): row
        for row in results["rows"]
        if "pre-trained" not in row["variant"]
    }
    assert len(results["rows"]) == len(rows) + 2
    full = rows["dual_mode", "self-pruned 50 % full"]
    streaming = rows["dual_mode", "self-pruned 50 % streaming"]
    for row in rows.values():
        assert row["test_words"] == 10 and not row["missing"]
    assert streaming["params"] < 0.75 * full["params"]
    assert full["latency_ms"] is None and "chunk_rtf" not in full
    # 8 frames of 40 ms, one ahead, two feature frames of the front end, half a window.
    assert streaming["latency_ms"] == pytest.approx(320 + 40 + 20 + 16)
    assert streaming["chunk_rtf"] > 0
    assert streaming["sparsity"] == pytest.approx(0.5, abs=0.05)
    assert set(rows) == {
        ("dual_mode", "self-pruned 50 % full"),
        ("dual_mode", "self-pruned 50 % streaming"),
        ("streaming_alone", "streaming"),
        ("pruned_after", "50 % streaming"),
    }
    runs = {entry["name"]: entry for entry in results["shared"]}
    dual, alone = runs[f"dual_{ROW}"], runs["dual_streaming_alone_s1"]
    chain = {name: entry.get("after") for name, entry in runs.items()}
    assert chain == {
        f"dual_{ROW}": None,
        "dual_streaming_alone_s1": None,
        "dual_pruned_after_50_s1": "dual_streaming_alone_s1",
        "dual_pretrained_50_s1": "dual_pretrain",
        "dual_pretrain": None,
    }
    whole = {
        (one["method"], one["variant"]): one["whole_cost_mean"]["epochs"]
        for one in results["aggregates"]
    }
    # Two epochs, and the two of what they go on from.
    assert whole["pruned_after", "50 % streaming"] == 2 + 2
    assert whole["dual_mode", "pre-trained, self-pruned 50 % full"] == 2 + 2
    assert whole["dual_mode", "self-pruned 50 % full"] == 3
    per_epoch = [entry["train_flops"] / entry["epochs"] for entry in (dual, alone)]
    # Two passes cost about two; the look-ahead makes the streaming one the dearer.
    assert 1.5 < per_epoch[0] / per_epoch[1] < 2.0
    compared = {(one["first"], one["second"]) for one in results["comparisons"]}
    half, begun = (
        "dual_mode self-pruned 50 %",
        "dual_mode pre-trained, self-pruned 50 %",
    )
    assert compared == {
        ("streaming_alone streaming 2", f"{half} streaming 2"),
        ("pruned_after 50 % streaming 2", f"{half} streaming 2"),
        (f"{half} streaming 2", f"{begun} streaming 2"),
        (f"{half} full 2", f"{begun} full 2"),
    }
    page = (recipe / "RESULTS.md").read_text()
    assert "Two modes" in page and "pruned_after 50 %" in page


def test_the_pretraining_is_where_a_row_starts(recipe):
    exp = recipe / "exp"
    before = torch.load(exp / "dual_pretrain/latest.pth", weights_only=True)
    request = read_json(exp / "dual_pretrained_50_s1/request.json")
    digest = sha256((exp / "dual_pretrain/latest.pth").read_bytes()).hexdigest()
    assert request["start"][0] == digest and "encoder.after_norm.weight" in before
    results = json.loads((recipe / "results.json").read_text())
    (entry,) = [e for e in results["shared"] if e["name"] == "dual_pretrain"]
    assert entry["train_flops"] > 0 and entry["epochs"] == 2


def test_masked_and_cut_out_say_the_same(recipe):
    exp = recipe / "exp"
    whole, _ = load_asr_model(
        exp / f"dual_{ROW}/config.yaml",
        Experiment(exp / f"dual_{ROW}").final_masks_file,
    )
    small, _ = load_asr_model(
        exp / f"asr_{ROW}_streaming/config.yaml", exp / f"asr_{ROW}_streaming/model.pth"
    )
    dense, _ = load_asr_model(
        exp / f"asr_{ROW}_full/config.yaml", exp / f"asr_{ROW}_full/model.pth"
    )
    assert bool(whole.encoder.pruner.frozen)
    speech = 0.1 * torch.randn(1, 20000, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([20000])
    for one in (whole, small, dense):
        one.eval()
    with torch.no_grad():
        for mode, other in (("streaming", small), ("full", dense)):
            with whole.encoder.using(mode):
                expected = whole.encode(speech, lengths)[0]
            assert torch.allclose(other.encode(speech, lengths)[0], expected, atol=1e-5)
    assert read_config(exp / f"asr_{ROW}_streaming/config.yaml")["model"] == "espnet"


def test_fed_sample_by_sample_the_text_is_that_of_the_file(recipe, capsys):
    exp = recipe / f"exp/asr_{ROW}_streaming"
    tokens = table(exp / "decode_best_path/test/token_int")
    texts = table(exp / "decode_best_path/test/text")
    waves = table(recipe / "dump/raw/test/wav.scp")
    recogniser = load_recogniser(exp)
    for name, path in waves.items():
        samples, rate = soundfile.read(path, dtype="float32")
        recogniser.reset()
        for start in range(0, len(samples), 777):
            recogniser.accept(samples[start : start + 777], rate)
        said = recogniser.accept([], last=True)
        assert " ".join(map(str, said.token_ids)) == tokens[name]
        assert said.text.split() == texts[name].split()
    # The command, on the same files; then 16-bit samples through a pipe.
    assert recognise.main([str(exp), *waves.values(), "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [t.split() for t in texts.values()]
    samples, _ = soundfile.read(path, dtype="int16")
    piped = subprocess.run(
        [sys.executable, "-m", "espnet_plugin.bin.recognise", str(exp), "-"],
        input=samples.tobytes(),
        capture_output=True,
        cwd=ROOT,
    )
    assert piped.returncode == 0, piped.stderr.decode()
    assert piped.stdout.decode().splitlines()[-1].split() == texts[name].split()


def test_the_exported_chunk_hears_what_the_recogniser_hears(recipe):
    pytest.importorskip("onnxruntime")
    run(recipe, "--stage", "10", "--stop_stage", "10")
    exp = recipe / f"exp/asr_{ROW}_streaming"
    texts = table(exp / "decode_best_path/test/text")
    waves = table(recipe / "dump/raw/test/wav.scp")
    for name, path in waves.items():
        out = subprocess.run(
            [sys.executable, exp / "export/onnx/recognise.py", "--quiet", path],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert out.splitlines()[-1].split() == texts[name].split()


def test_finished_stages_are_skipped(recipe):
    again = run(recipe, "--stage", "5", "--stop_stage", "7")
    assert ": on dev " not in again.stderr


@pytest.mark.parametrize(
    "options, message",
    [
        (["--rows", "nothing"], "nothing.yaml is missing"),
        (["--stage", "5", "--rows", "pretrained_50"], "give --pretrained FILE"),
        (
            ["--stage", "5", "--rows", "pruned_after_50", "--seed", "7"],
            "train the row streaming_alone with seed 7 first",
        ),
        (["--stage", "6", "--rows", "full_alone"], "run stage 5 first"),
    ],
)
def test_bad_options(recipe, options, message):
    result = run(recipe, *options, "--stop_stage", "7", check=False)
    assert result.returncode == 2 and message in result.stderr


def test_what_cannot_be_recognised(recipe, tmp_path, capsys, monkeypatch):
    exp = str(recipe / f"exp/asr_{ROW}_streaming")
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.zeros((100, 2)), 8000)
    assert recognise.main([exp, str(stereo)]) == 2
    assert recognise.main([exp, str(tmp_path / "none.wav")]) == 2
    with pytest.raises(SystemExit, match="2"):
        recognise.main([exp, str(stereo), "--block_ms", "0"])
    with pytest.raises(UserError, match="was made for streaming only"):
        model, _ = load_asr_model(f"{exp}/config.yaml", f"{exp}/model.pth")
        with model.encoder.using("full"):
            pass
    # Nothing comes: no text, no complaint.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert recognise.main([exp, "-"]) == 0
    assert capsys.readouterr().out == "\n"


def test_the_cost_is_counted(recipe):
    cost = read_json(recipe / f"exp/dual_{ROW}/cost.json")
    assert cost["epochs"] == 3 and cost["flops"] > 0 and cost["teacher_flops"] == 0
