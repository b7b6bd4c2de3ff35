"""A dual-mode training with a reference, from the command to two plain recognisers."""

import pytest
import torch
from tiny_taught import TEACHING, train, write_data, write_row

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json
from espnet_plugin.jobs.dual import write_recognisers


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_asr_model):
    return write_data(tmp_path_factory.mktemp("taught"), tiny_asr_model)


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
    assert "is already finished" in caplog.text


def test_a_taught_row_without_a_reference_is_refused_before_work(data, caplog):
    assert train(data, write_row(data, TEACHING), "--seed", "2") == 2
    assert "--reference" in caplog.text and "taught" in caplog.text
    assert not (data.root / "exp/dual_taught_s2").exists()


def test_a_missing_reference_is_named(data, caplog, tmp_path):
    row = write_row(data, TEACHING)
    assert train(data, row, "--seed", "3", "--reference", str(tmp_path / "no")) == 2
    assert str(tmp_path / "no") in caplog.text
