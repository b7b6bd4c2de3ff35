"""The command: from an experiment to a checked folder, or to one clear sentence."""

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_export import build_fbank_model, change_config, check_operators, noise

from espnet_plugin.bin.export import main
from espnet_plugin.decode.run import decode_model
from espnet_plugin.decode.sets import DecodeSet
from espnet_plugin.errors import UserError
from espnet_plugin.export.card import model_card
from espnet_plugin.export.export_meta import ExportMeta
from espnet_plugin.export.folder import whole_folder
from espnet_plugin.export.int8 import Int8Result
from espnet_plugin.export.scripts import RUNNERS
from espnet_plugin.export.verify import check_file
from espnet_plugin.files import file_checksum, read_json, read_pairs, write_json

onnx = pytest.importorskip("onnx")


pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(tiny_asr_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    options = ["--dev", str(tiny_asr_model.data_dir), "--output_dir", str(folder)]
    assert main([str(tiny_asr_model.dir), *options]) == 0
    return folder


@pytest.fixture
def experiment(tiny_asr_model, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(tiny_asr_model.dir, tmp_path / "asr_copy"))


def test_no_operator_that_runtimes_compute_differently(exported):
    check_operators(exported / "model.onnx")


def test_folder_is_complete(exported, tiny_asr_model):
    names = {path.name for path in exported.iterdir()}
    assert names == {
        "README.md",
        "card.json",
        "meta.json",
        "model.onnx",
        "recognise.py",
        "script_parts.py",
        "tokens.txt",
    }
    meta = read_json(exported / "meta.json")
    assert meta["sample_rate"] == 16000 and meta["frame_ms"] == 40.0
    assert meta["blank"] == 0 and meta["vocabulary"] == len(tiny_asr_model.token_list)
    assert meta["model"]["checkpoint_sha256"] == file_checksum(
        tiny_asr_model.checkpoint
    )
    for name, entry in meta["files"].items():
        assert entry["sha256"] == file_checksum(exported / name)
        assert entry["bytes"] == (exported / name).stat().st_size
    assert meta["verified"]["parity"]["max_difference"] <= 1e-4
    assert meta["verified"]["dev"]["same_tokens"] == 6
    (ran,) = meta["verified"]["runner"]
    assert ran["model"] == "model.onnx" and ran["same_texts"] == ran["utterances"] == 6
    lines = (exported / "tokens.txt").read_text().splitlines()
    assert lines == [f"{t} {n}" for n, t in enumerate(tiny_asr_model.token_list)]
    properties = {p.key: p.value for p in _load(exported).metadata_props}
    assert properties["sample_rate"] == "16000" and properties["vocab_size"] == "30"


def _load(folder):
    return onnx.load(str(folder / "model.onnx"))


def test_script_says_what_stage_7_writes(exported, tiny_asr_model, tmp_path):
    decode_model(
        tiny_asr_model.config,
        tiny_asr_model.checkpoint,
        [DecodeSet("test", [(tiny_asr_model.wav_scp, "speech", "sound")], tmp_path)],
    )
    expected = read_pairs(tmp_path / "text")
    files = read_pairs(tiny_asr_model.wav_scp)
    said = _run(exported, files.values())
    for name, path in files.items():
        assert said[path] == expected[name]
    assert len(set(said.values())) > 1  # else nothing would be compared


def _run(folder, files, *options):
    command = [sys.executable, str(folder / "recognise.py"), *map(str, files)]
    done = subprocess.run(
        [*command, *options], capture_output=True, encoding="utf-8", check=True
    )
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def test_script_cuts_long_audio_and_refuses_two_channels(exported, tmp_path):
    # Three seconds, silence in the middle.
    samples = np.concatenate([noise(24000, 1), np.zeros(3200), noise(20800, 2)])
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    soundfile.write(tmp_path / "first.wav", samples[:24800], 16000)
    soundfile.write(tmp_path / "second.wav", samples[24800:], 16000)
    files = [tmp_path / f"{name}.wav" for name in ("long", "first", "second")]
    said = list(_run(exported, files, "--longest", "2").values())
    assert said[0].split() == f"{said[1]} {said[2]}".split()
    soundfile.write(tmp_path / "two.wav", np.stack([samples, samples], 1), 16000)
    with pytest.raises(subprocess.CalledProcessError) as error:
        _run(exported, [tmp_path / "two.wav"])
    assert "2 channel(s)" in error.value.stderr


def test_same_model_again_replaces_and_another_is_refused(
    exported, experiment, tiny_asr_model, caplog
):
    (exported / "model.int8.onnx").write_text("of an older export")
    (exported / "names.txt").write_text("of its user")
    (exported / "calls").mkdir()
    (exported / "calls/one.txt").write_text("also")
    command = [str(tiny_asr_model.dir), "--output_dir", str(exported)]
    assert main(command) == 0
    assert not (exported / "model.int8.onnx").exists()
    assert (exported / "names.txt").read_text() == "of its user"
    assert (exported / "calls/one.txt").read_text() == "also"
    before = file_checksum(exported / "meta.json")
    state = torch.load(experiment / "valid.cer_ctc.ave.pth")
    state["ctc.ctc_lo.bias"] += 1
    torch.save(state, experiment / "valid.cer_ctc.ave.pth")
    assert main([str(experiment), "--output_dir", str(exported)]) == 2
    assert "export of a different model (asr_tiny" in caplog.text
    assert file_checksum(exported / "meta.json") == before


def test_a_model_that_was_trained_again_is_exported_again(experiment):
    """In its own folder, where stage 10 puts it."""
    exported = experiment / "export/onnx"
    assert main([str(experiment)]) == 0
    before = read_json(exported / "meta.json")["model"]["checkpoint_sha256"]
    checkpoint = experiment / "valid.cer_ctc.ave.pth"
    state = torch.load(checkpoint)
    state["ctc.ctc_lo.bias"] += 1
    torch.save(state, checkpoint)
    assert main([str(experiment)]) == 0
    after = read_json(exported / "meta.json")["model"]["checkpoint_sha256"]
    assert before != after == file_checksum(checkpoint)


def test_a_link_to_a_folder_stays_one(tiny_asr_model, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    command = [str(tiny_asr_model.dir), "--output_dir", str(tmp_path / "link")]
    assert main(command) == main(command) == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk/model.onnx").is_file()


def test_folder_with_other_files_is_refused(tiny_asr_model, tmp_path, caplog):
    (tmp_path / "thesis.tex").write_text("mine")
    assert main([str(tiny_asr_model.dir), "--output_dir", str(tmp_path)]) == 2
    assert "not an export" in caplog.text and str(tmp_path) in caplog.text
    assert "remove" not in caplog.text  # it may be the experiment itself
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_experiment_is_not_taken_for_an_export(tiny_asr_model, tmp_path, caplog):
    """It has a meta.json too, and nobody must be told to remove it."""
    write_json(tmp_path / "meta.json", {"method": "encrl", "layers": 2, "seed": 1})
    (tmp_path / "model.pth").write_bytes(b"mine")
    assert main([str(tiny_asr_model.dir), "--output_dir", str(tmp_path)]) == 2
    assert "not an export" in caplog.text and "remove" not in caplog.text
    assert (tmp_path / "model.pth").read_bytes() == b"mine"


def test_what_fails_in_between_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "onnx"
    folder.mkdir()
    (folder / "meta.json").write_text("old")
    with pytest.raises(UserError, match="no space"):
        with whole_folder(folder) as new:
            (new / "meta.json").write_text("half")
            raise UserError("no space")
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]
    assert (folder / "meta.json").read_text() == "old"


def test_wrong_weights_in_the_file_are_found(exported, tiny_asr_model, tmp_path):
    from espnet_plugin.export.ports import SamplesPort
    from espnet_plugin.export.runtime import OnnxModel
    from espnet_plugin.export.source import load_source
    from espnet_plugin.export.verify import check_parity

    content = _load(exported)
    tensor = next(t for t in content.graph.initializer if t.name.endswith("lo.bias"))
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[3] += 0.01
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(content, str(tmp_path / "wrong.onnx"))
    source = load_source(tiny_asr_model.dir)
    with pytest.raises(UserError, match="different results from ESPnet"):
        check_parity(source, SamplesPort(), OnnxModel(tmp_path / "wrong.onnx"))


def test_paths_and_outside_data_are_found(exported, tmp_path):
    content = _load(exported)
    content.graph.doc_string = f"made in {Path.cwd()}/exp"
    onnx.save(content, str(tmp_path / "told.onnx"))
    with pytest.raises(UserError, match="names the folder"):
        check_file(tmp_path / "told.onnx")
    # Nodes have names like "/network/...", which is no folder by that name.
    (name,) = {"/" + node.name.split("/")[1] for node in content.graph.node[-1:]}
    content = _load(exported)
    onnx.save(content, str(tmp_path / "fine.onnx"))
    assert name.encode() in (tmp_path / "fine.onnx").read_bytes()
    check_file(tmp_path / "fine.onnx", [Path(name)])
    content = _load(exported)
    onnx.save(
        content,
        str(tmp_path / "split.onnx"),
        save_as_external_data=True,
        location="weights",
        size_threshold=0,
    )
    with pytest.raises(UserError, match="in other files"):
        check_file(tmp_path / "split.onnx")


def test_samples_that_are_no_numbers(exported, tmp_path):
    samples = noise(8000, 1)
    samples[4000] = float("nan")
    soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", samples[:0], 16000, subtype="FLOAT")
    said = {"nan.wav": "some samples are not numbers", "none.wav": "has no samples"}
    for name, message in said.items():
        with pytest.raises(subprocess.CalledProcessError) as error:
            _run(exported, [tmp_path / name])
        assert message in error.value.stderr
        assert name in error.value.stderr


def test_the_card_for_programs_says_what_the_other_says(tiny_asr_model, tmp_path):
    exported = tmp_path / "onnx"
    options = ["--dev", str(tiny_asr_model.data_dir), "--output_dir", str(exported)]
    assert main([str(tiny_asr_model.dir), *options]) == 0
    card, meta = read_json(exported / "card.json"), read_json(exported / "meta.json")
    assert card["name"] == tiny_asr_model.dir.name and "recognition" in card["task"]
    assert card["size"]["parameters"] == meta["model"]["parameters"]
    assert card["size"]["bytes"] == {
        "model.onnx": (exported / "model.onnx").stat().st_size
    }
    sha = file_checksum(tiny_asr_model.checkpoint)
    assert card["made"]["checkpoint_sha256"] == sha
    assert card["made"]["method"] == "espnet" and "--license" in card["license"]
    assert card["data"]["measured_on"] == [tiny_asr_model.data_dir.name]
    rate = card["word_error_rate"]["model.onnx"]
    assert rate["wer"] == meta["measured"]["model.onnx"]["wer"]
    assert rate["words"] == sum(meta["measured"]["model.onnx"]["words_by_unit"])
    text = (exported / "README.md").read_text()
    low, high = rate["ci95"]
    assert f"| model.onnx | {rate['wer']:.2f} [{low:.2f}, {high:.2f}] |" in text
    for limit in card["limits"]:
        assert f"* {limit}" in text
    assert "16000 Hz only" in " ".join(card["limits"])


def test_the_card_says_how_it_was_made(experiment, tmp_path):
    made = {
        "method": "encrl",
        "variant": "fast",
        "seed": 7,
        "layers": 3,
        "kept_layers": [0, 2, 5],
        "shared": "encrl_s7",
        "reference_sha256": "ab" * 32,
        "source": str(tmp_path),
        "checkpoint": "valid.cer_ctc.ave.pth",
    }
    write_json(experiment / "meta.json", made)
    change_config(
        experiment,
        train_data_path_and_name_and_type=[
            ["dump/raw/train_nodev/wav.scp", "speech", "sound"],
            ["dump/raw/train_nodev/text", "text", "text"],
        ],
    )
    folder = tmp_path / "onnx"
    options = ["--output_dir", str(folder), "--license", "CC BY 4.0"]
    assert main([str(experiment), *options]) == 0
    card, text = read_json(folder / "card.json"), (folder / "README.md").read_text()
    assert card["license"] == "CC BY 4.0" and "CC BY 4.0" in text
    assert card["data"]["trained_on"] == ["train_nodev"] and "train_nodev" in text
    assert card["made"]["kept_layers"] == [0, 2, 5]
    assert "layers of the larger model: 1, 3, 6" in text
    assert card["made"]["made_of"] == "encrl_s7" and card["made"]["seed"] == 7
    # Not a path of this machine.
    assert card["made"]["source"] == tmp_path.name
    assert card["word_error_rate"] == {} and card["speed"] == {}


@pytest.fixture(scope="module")
def fbank_model(tmp_path_factory):
    return build_fbank_model(tmp_path_factory.mktemp("fbank"))


def test_kaldi_filter_banks_in_the_graph(fbank_model, tmp_path):
    options = ["--fbank_rate", "16000", "--dev", str(fbank_model.data_dir)]
    folder = tmp_path / "onnx"
    assert main([str(fbank_model.dir), *options, "--output_dir", str(folder)]) == 0
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["input"] == "samples" and meta["model"]["front_end"] == "kaldi_fbank"
    assert meta["verified"]["parity"]["max_difference"] <= 1e-4
    assert meta["verified"]["runner"][0]["same_texts"] == 6


def test_features_of_an_unknown_kind(fbank_model, tmp_path, caplog):
    folder = tmp_path / "onnx"
    assert main([str(fbank_model.dir), "--output_dir", str(folder)]) == 0
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["input"] == "features" and meta["sample_rate"] is None
    np.save(tmp_path / "feats.npy", np.zeros((60, 20), dtype=np.float32))
    assert list(_run(folder, [tmp_path / "feats.npy"]))
    assert main([str(fbank_model.dir), "--target", "sherpa-onnx"]) == 2
    assert "give --fbank_rate 16000" in caplog.text


def test_scripts_need_only_what_they_say():
    allowed = {
        "recognise.py": {"numpy", "onnxruntime", "script_parts"},
        "run_sherpa.py": {"sherpa_onnx.lib", "script_parts"},
        "run_sherpa_kaldi.py": {"sherpa_onnx.lib", "script_parts"},
        "script_parts.py": {"numpy", "soundfile"},
    }
    for name, packages in allowed.items():
        tree = ast.parse((RUNNERS / name).read_text())
        found = {
            (node.module if isinstance(node, ast.ImportFrom) else alias.name)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        assert found - sys.stdlib_module_names == packages


def test_card_says_why_there_is_no_int8(exported):
    meta = ExportMeta.from_json(read_json(exported / "meta.json"))
    assert "In eight bits" not in model_card(meta, "")
    result = Int8Result(
        accepted=False,
        max_wer_loss=0.5,
        folder="dev",
        utterances=6,
        words=9,
        wer_fp32=10.0,
        wer_int8=12.0,
        difference=2.0,
        ci95=(0.5, 3.5),
        p_value=0.01,
        more_substitutions=0,
        more_deletions=1,
        more_insertions=0,
        products=7,
        reason="it lost too much, mostly deletions",
    )
    card = model_card(replace(meta, int8=asdict(result)), "")
    assert "Not written: it lost too much, mostly deletions." in card
