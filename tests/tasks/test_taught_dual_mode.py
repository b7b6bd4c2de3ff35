"""A dual-mode training with a reference, from the command to two plain recognisers."""

from types import SimpleNamespace

import pytest
import torch
import yaml
from tiny_asr import write_stats, write_utterances

from espnet_plugin.bin.dual_mode_train import main
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json
from espnet_plugin.jobs.dual import write_recognisers

TEACHING = {
    # The projection is trained along, and is of no use afterwards.
    "objectives": {
        "clip": {"projection": True},
        "kl": {},
        "frame_contrast": {"max_delay": 1},
    },
    "weight": 2.0,
    "delay_frames": 1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_asr_model):
    root = tmp_path_factory.mktemp("taught")
    written, stats = write_utterances(root / "data"), write_stats(root, 20)
    tokens = tiny_asr_model.dir / "tokens.txt"
    options = ["--token_list", f"{tokens}", "--token_type", "char", "--ngpu", "0"]
    options += ["--normalize", "global_mvn", "--normalize_conf", f"stats_file={stats}"]
    options += ["--use_tensorboard", "false", "--num_att_plot", "0"]
    for part in ("train", "valid"):
        options += [f"--{part}_shape_file", f"{written.dir / 'utt2num_samples'}"]
        for entry in ("wav.scp,speech,sound", "text,text,text"):
            path = f"{written.dir / entry}"
            options += [f"--{part}_data_path_and_name_and_type", path]
    return SimpleNamespace(root=root, options=options)


def write_row(data, teaching):
    row = {"variant": "taught", "changes": {"model_conf": {"teaching": teaching}}}
    path = data.root / "taught.yaml"
    path.write_text(yaml.safe_dump(row))
    return path


def train(data, row, *more):
    tiny = "conf/dualmode/tiny.yaml"
    words = ["--config", tiny, "--rows", f"{row}", "--exp_dir", f"{data.root / 'exp'}"]
    return main([*words, *more, *data.options])


@pytest.mark.slow
def test_both_modes_learn_and_become_plain_recognisers(data, tiny_asr_model, caplog):
    row = write_row(data, TEACHING)
    assert train(data, row, "--reference", str(tiny_asr_model.dir)) == 0
    folder = data.root / "exp/dual_taught_s1"
    cost = read_json(folder / "cost.json")
    assert cost["teacher_flops"] > 0
    whole = torch.load(Experiment(folder).resume_file, weights_only=True)
    seen = whole["reporter"]["stats"][1]["train"]
    for name in "clip", "kl", "frame_contrast":
        for mode in "full", "streaming":
            assert f"loss_{name}_taught_{mode}" in seen
    assert "delay_taught_streaming" in seen
    state = torch.load(Experiment(folder).final_masks_file, weights_only=True)
    assert any(name.startswith("taught.") for name in state)
    for written in write_recognisers(folder, str(data.root / "exp/asr_taught_s1")):
        config = Experiment(written).config()
        assert "teaching" not in config["model_conf"]
        model, _ = load_asr_model(
            Experiment(written).config_file, Experiment(written).checkpoint(), "cpu"
        )
        assert not any("taught" in name for name, _ in model.named_parameters())
    # The same again: nothing is due.
    caplog.set_level("INFO")
    assert train(data, row, "--reference", str(tiny_asr_model.dir)) == 0
    assert "is finished already" in caplog.text


def test_a_taught_row_without_a_reference_is_refused_before_work(data, caplog):
    assert train(data, write_row(data, TEACHING), "--seed", "2") == 2
    assert "--reference" in caplog.text and "taught" in caplog.text
    assert not (data.root / "exp/dual_taught_s2").exists()


def test_a_missing_reference_is_named(data, caplog, tmp_path):
    row = write_row(data, TEACHING)
    assert train(data, row, "--seed", "3", "--reference", str(tmp_path / "no")) == 2
    assert str(tmp_path / "no") in caplog.text
