"""A dual-mode training that starts from a reference's layers, from the command on."""

import pytest
import torch
import yaml
from tiny_taught import TEACHING, train, write_data

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_asr_model):
    return write_data(tmp_path_factory.mktemp("copied"), tiny_asr_model)


def write_row(data, name, **keys):
    path = data.root / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"variant": name, **keys}))
    return path


# Nothing is learnt, so the checkpoint after the training is its start.
STANDING = {
    "encoder_conf": {"macaron_style": False},
    "optim_conf": {"lr": 0.0, "weight_decay": 0.0},
    "scheduler": None,
    "scheduler_conf": None,
    "max_epoch": 2,
    "keep_nbest_models": 1,
}


@pytest.mark.slow
def test_it_starts_from_the_references_layers(data, tiny_asr_model):
    row = write_row(data, "copied", reference_layers="spaced", changes=STANDING)
    assert train(data, row, "--reference", str(tiny_asr_model.dir)) == 0
    folder = Experiment(data.root / "exp/dual_copied_s1")
    state = torch.load(folder.final_masks_file, weights_only=True)
    theirs = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    # Of three layers, the first and the last.
    pairs = {
        "ctc.ctc_lo.weight": "ctc.ctc_lo.weight",
        "encoder.embed.out.weight": "encoder.embed.out.weight",
        "encoder.encoders.0.feed_forward.w_1.weight": None,
        "encoder.encoders.1.self_attn.linear_q.weight": (
            "encoder.encoders.2.self_attn.linear_q.weight"
        ),
    }
    for ours, origin in pairs.items():
        assert torch.equal(state[ours], theirs[origin or ours])
    assert not any(name.startswith("taught.") for name in state)
    # No teacher: nothing else of the reference is used.
    assert not read_json(folder.folder / "cost.json").get("teacher_flops")
    inputs = read_json(folder.request_file)
    assert inputs["start"][3] == "spaced" and inputs["reference"]


@pytest.mark.slow
def test_it_can_learn_from_the_same_reference(data, tiny_asr_model):
    changes = {**STANDING, "model_conf": {"teaching": TEACHING}}
    row = write_row(data, "both", reference_layers="first", changes=changes)
    assert train(data, row, "--reference", str(tiny_asr_model.dir)) == 0
    folder = Experiment(data.root / "exp/dual_both_s1")
    assert read_json(folder.folder / "cost.json")["teacher_flops"] > 0
    state = torch.load(folder.final_masks_file, weights_only=True)
    theirs = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    name = "encoder.encoders.1.self_attn.linear_q.weight"
    assert torch.equal(state[name], theirs[name])


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"reference_layers": "middle"}, "first, last, spaced"),
        ({"reference_layers": "first", "after": "other"}, "one start"),
        ({"reference_layers": "first", "pretrained": True}, "one start"),
    ],
)
def test_a_wrong_row_is_refused(data, caplog, tiny_asr_model, keys, said):
    row = write_row(data, "wrong", **keys)
    assert train(data, row, "--reference", str(tiny_asr_model.dir)) == 2
    assert said in caplog.text and "wrong.yaml" in caplog.text


def test_a_row_without_the_reference_is_refused_before_work(data, caplog):
    row = write_row(data, "alone", reference_layers="first")
    assert train(data, row) == 2
    assert "--reference" in caplog.text and "alone" in caplog.text
    assert not (data.root / "exp/dual_alone_s1").exists()


def test_layers_that_do_not_fit_are_refused_before_the_first_training(
    data, caplog, tiny_asr_model
):
    # The reference has no macaron modules.
    row = write_row(data, "unfit", reference_layers="first")
    assert train(data, row, "--reference", str(tiny_asr_model.dir)) == 2
    assert "macaron_style" in caplog.text
    assert not (data.root / "exp/dual_unfit_s1").exists()


def test_a_reference_without_its_weights_is_refused_before_work(
    data, caplog, tiny_asr_model
):
    row = write_row(data, "half", reference_layers="first")
    assert train(data, row, "--reference_config", str(tiny_asr_model.config)) == 2
    assert "--reference_model_file" in caplog.text and "row half" in caplog.text
    assert not (data.root / "exp/dual_half_s1").exists()


def test_stored_outputs_that_no_row_needs_are_named(data, caplog, tiny_asr_model):
    row = write_row(data, "stored", reference_layers="first")
    # Refused afterwards: the reference has no macaron modules.
    options = "--reference", str(tiny_asr_model.dir), "--teacher_cache", "store"
    assert train(data, row, *options) == 2
    assert "--teacher_cache store is not used" in caplog.text
