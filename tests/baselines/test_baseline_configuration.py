"""What a baseline's configuration may say, and how it changes the training."""

from pathlib import Path

import pytest
import yaml
from small_baseline import do

from espnet_plugin.baselines.config import baseline_names
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json


def test_every_method_has_a_configuration():
    conf = Path(__file__).parents[2] / "conf/baselines"
    methods = {yaml.safe_load(p.read_text())["method"] for p in conf.glob("*.yaml")}
    assert methods == set(baseline_names())
    for path in conf.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        if "training" in content:
            assert (conf / content["training"]).is_file(), path


@pytest.mark.parametrize(
    "content, says",
    [
        ({}, "no method"),
        ({"method": "job"}, "method 'job' is not one of ctc_kd, early_exit"),
        ({"method": "scratch", "epoch": 3}, "epoch: it must have a method and may"),
        ({"method": "scratch", "options": {"layers": 1}}, "it has no options"),
        (
            {"method": "layer_copy", "options": {"how": 1}},
            "choose from layers, trained",
        ),
        ({"method": "layer_copy", "options": {"layers": "best"}}, "layers 'best'"),
        ({"method": "scratch", "training": "gone.yaml"}, "gone.yaml is missing"),
        ({"method": "scratch", "epochs": 3}, "epochs 3: must be a mapping"),
        ({"method": "scratch", "epochs": {2: "x"}}, "some.yaml: epochs: 2: 'x'"),
        ({"method": "gates", "options": {"eta": {2: 1e-5}}}, r"no value for \[1\]"),
        ({"method": "gates", "options": {"eta": {2: "x", 1: 1}}}, "of 2 is 'x'"),
        ({"method": "ctc_kd", "options": {"student_init": "x"}}, "student_init 'x'"),
        ({"method": "scratch", "variant": 5}, "some.yaml: variant 5: must be text"),
        ({"method": "scratch", "training": 5}, "some.yaml: training 5"),
        ({"method": "scratch", "training_conf": 5}, "training_conf 5: must be a map"),
    ],
)
def test_what_is_not_understood(
    tiny_asr_model, tmp_path, write, trainer, content, says
):
    with pytest.raises(UserError, match=says):
        do(write(**content), tiny_asr_model, tmp_path)
    assert not trainer.asked


def test_single_values_replace_those_of_the_training(
    tiny_asr_model, tmp_path, trainer, write
):
    (tmp_path / "train.yaml").write_text(
        "{max_epoch: 7, optim_conf: {lr: 1.0, betas: [0.9, 0.98]}, optim: adamw}"
    )
    own = {"optim_conf": {"lr": 0.5}, "freeze_param": ["encoder.embed"]}
    do(write(method="scratch", training_conf=own), tiny_asr_model, tmp_path)
    for asked in trainer.asked.values():
        config = asked.config
        assert config["optim_conf"] == {"lr": 0.5, "betas": [0.9, 0.98]}
        assert config["freeze_param"] == ["encoder.embed"]
        assert config["optim"] == "adamw" and config["max_epoch"] == 7


@pytest.mark.parametrize("variant", [None, "spaced"])
@pytest.mark.parametrize("scheduler", [{"max_lr": 1.0, "pct_start": 0.3}, None])
def test_another_learning_rate_is_named(
    tiny_asr_model, tmp_path, trainer, write, variant, scheduler
):
    (tmp_path / "train.yaml").write_text(
        yaml.safe_dump({"optim_conf": {"lr": 1.0}, "scheduler_conf": scheduler})
    )
    own = {} if variant is None else {"variant": variant}
    do(write(method="scratch", **own), tiny_asr_model, tmp_path, max_lr=0.001)
    assert len(trainer.asked) == 2
    for asked in trainer.asked.values():
        config, meta = asked.config, read_json(asked.folder / "meta.json")
        assert config["optim_conf"] == {"lr": 0.001}
        expected = scheduler and {"max_lr": 0.001, "pct_start": 0.3}
        assert config["scheduler_conf"] == expected
        name = "max_lr 0.001" if variant is None else "spaced, max_lr 0.001"
        assert meta["variant"] == name


def test_another_training_brings_its_epochs(tiny_asr_model, tmp_path, trainer, write):
    other = tmp_path / "other.yaml"
    other.write_text("{max_epoch: 30, optim: sgd}")
    own = {"max_epoch": 8, "freeze_param": ["encoder.embed"]}
    recipe = write(method="scratch", epochs={2: 9}, training_conf=own)
    do(recipe, tiny_asr_model, tmp_path, training=other)
    for asked in trainer.asked.values():
        config = asked.config
        assert (config["max_epoch"], config["optim"]) == (30, "sgd")
        assert config["freeze_param"] == ["encoder.embed"]


def test_epochs_on_the_command_line_win(tiny_asr_model, tmp_path, trainer, write):
    recipe = write(method="scratch", epochs={2: 9})
    do(recipe, tiny_asr_model, tmp_path, max_epoch=2)
    assert {asked.config["max_epoch"] for asked in trainer.asked.values()} == {2}
