"""An EncRL model that ESPnet's stock task builds, its reference in model_conf."""

import argparse
import copy

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask
from plain_model import write_plain_model
from tiny_encrl import batch

from espnet_plugin import host
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill.named import NamedReference
from espnet_plugin.errors import UserError

host.register()


@pytest.fixture
def build(tiny_asr_model):
    """Build a student of two layers by the stock task; further keys win."""

    def build(init="xavier_uniform", model_conf=(), **changes):
        config = yaml.safe_load(tiny_asr_model.config.read_text())
        config.update(model="encrl", init=init)
        config["encoder_conf"]["num_blocks"] = 2
        config["model_conf"] = {
            "ctc_weight": 1.0,
            "reference_config": str(tiny_asr_model.config),
            "reference_model_file": str(tiny_asr_model.checkpoint),
            **dict(model_conf),
        }
        for name, value in changes.items():
            config[name] = value
        build.config = copy.deepcopy(config)
        torch.manual_seed(1)
        return ASRTask.build_model(argparse.Namespace(**config))

    return build


@pytest.mark.parametrize("init", [None, "xavier_uniform"])
def test_copied_layers_outlive_espnets_initialisation(build, tiny_asr_model, init):
    student = build(init, {"student_init": "spaced"}).state_dict()
    theirs = torch.load(tiny_asr_model.checkpoint)
    for name, tensor in theirs.items():
        for there, here in ((0, 0), (2, 1)):  # spaced: the first and the last of three
            copied = name.replace(
                f"encoder.encoders.{there}.", f"encoder.encoders.{here}."
            )
            if copied != name:
                assert torch.equal(student[copied], tensor), name
        if ".encoders." not in name:
            assert torch.equal(student[name], tensor), name


def test_a_reference_of_an_earlier_release_is_copied_as_a_whole(
    build, tiny_asr_model, tmp_path
):
    theirs = torch.load(tiny_asr_model.checkpoint)
    # Before ESPnet 202609.
    old = {k.replace(".embed.out.", ".embed.out.0."): v for k, v in theirs.items()}
    file = tmp_path / "old.pth"
    torch.save(old, file)
    conf = {"student_init": "first", "reference_model_file": str(file)}
    student = build(model_conf=conf).state_dict()
    for name in ("encoder.embed.out.weight", "encoder.embed.out.bias"):
        assert torch.equal(student[name], theirs[name]), name


def test_random_students_share_nothing(build, tiny_asr_model):
    student = build().state_dict()
    theirs = torch.load(tiny_asr_model.checkpoint)
    assert not torch.equal(student["ctc.ctc_lo.weight"], theirs["ctc.ctc_lo.weight"])


def test_it_trains_against_the_reference_and_leaves_a_plain_model(
    build, tiny_asr_model, tmp_path
):
    student = build(model_conf={"student_init": "last"})
    stock = set(student.state_dict())
    assert not any("teacher" in name or "named" in name for name in stock)
    student.train()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    student.named.load()  # draws no random number of the training
    assert torch.equal(torch.rand(1), expected)
    loss, stats, _ = student(*batch(), utt_id=["a", "b", "c"])
    loss.backward()
    assert loss.item() > 0 and {"loss_clip", "loss_mse"} <= set(stats)
    assert set(student.state_dict()) == stock
    # The same teacher by the plugin's own way gives the same outputs.
    teacher, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    with torch.no_grad():
        encoding, _ = teacher.encode(*batch())
    assert torch.equal(student.teacher(*batch()).encoding, encoding)
    path = tmp_path / "encrl.pth"
    torch.save(student.state_dict(), path)
    plain = write_plain_model(build.config, path, [0, 1], tmp_path / "plain/m.pth")
    model, args = load_asr_model(plain.with_name("config.yaml"), plain)
    assert args.model == "espnet" and set(args.model_conf) == {"ctc_weight"}
    for name, value in model.state_dict().items():
        assert torch.equal(value, student.state_dict()[name]), name


def test_without_the_reference_it_decodes_but_does_not_train(build, caplog):
    student = build(model_conf={"reference_config": "gone/config.yaml"})
    assert "not found" in caplog.text
    student.eval()
    with torch.no_grad():
        assert student.encode(*batch())[0].shape[0] == 3
        features = student.collect_feats(*batch(), torch.ones(3, 1), torch.ones(3))
    assert set(features) == {"feats", "feats_lengths"}
    with pytest.raises(UserError, match="gone/config.yaml"):
        student(*batch())


def test_what_objectives_leave_out_is_frozen(build):
    """Ranks of several GPUs wait for the gradient of every parameter that has one."""
    student = build(model_conf={"objectives": {"clip": {}}})
    assert not any(p.requires_grad for p in student.ctc.parameters())
    student.train()
    student(*batch())[0].backward()
    assert all(p.grad is not None for p in student.parameters() if p.requires_grad)


def test_what_does_not_fit_is_refused(build):
    with pytest.raises(UserError, match="must be given together"):
        build(model_conf={"reference_config": None})
    with pytest.raises(UserError, match="student_init 'middle'"):
        build(model_conf={"student_init": "middle"})
    with pytest.raises(UserError, match="apply_time_warp must be false"):
        build(
            specaug_conf={"apply_time_warp": True, "time_mask_width_range": [0, 10]},
        )
    names = ["<blank>", "<unk>", "x", "<sos/eos>"]
    with pytest.raises(UserError, match="the student 4, or different"):
        build(token_list=names)


def test_a_reference_of_unknown_depth_needs_its_layers_named(tmp_path, tiny_asr_model):
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    del config["encoder_conf"]["num_blocks"]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    named = NamedReference(str(path), str(tiny_asr_model.checkpoint), "first")
    student, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    with pytest.raises(UserError, match="num_blocks is missing"):
        named.prepare(student)
