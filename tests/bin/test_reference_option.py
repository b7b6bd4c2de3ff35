"""A reference is a folder, or a configuration and a checkpoint; not both."""

import argparse
import shutil

import pytest
import yaml
from noting_trainer import NotingTrainer

from espnet_plugin.bin import baselines, encrl_train, train_models
from espnet_plugin.bin.reference_option import (
    add_reference_options,
    read_reference,
    reference_options,
)
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment, ModelFiles
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import file_checksum, read_json, write_json
from espnet_plugin.jobs.trainer import ENCRL_TASK, use_trainer

CONFIG = {
    "token_list": ["<blank>"],
    "encoder": "conformer",
    "encoder_conf": {},
    "ctc_conf": {},
    "model_conf": {"ctc_weight": 1.0},
}


def parsed(*options):
    parser = argparse.ArgumentParser()
    add_reference_options(parser)
    return parser.parse_args([str(option) for option in options])


@pytest.fixture
def folder(tmp_path):
    """A reference that stage 4 has left; the better looking file is not it."""
    experiment = Experiment(tmp_path / "asr_reference")
    experiment.write_meta(Meta(method="reference", checkpoint="valid.acc.ave.pth"))
    experiment.config_file.write_text(yaml.safe_dump(CONFIG))
    for name in ("acc", "cer_ctc"):
        experiment.averaged_file(name).touch()
    return experiment.folder


def test_the_folder_and_the_pair_say_the_same(folder):
    config, checkpoint = folder / "config.yaml", folder / "valid.acc.ave.pth"
    pair = ["--reference_config", config, "--reference_model_file", checkpoint]
    for args in (parsed("--reference", folder), parsed(*pair)):
        assert read_reference(args) == ModelFiles(config, checkpoint)
        assert reference_options(args) == [str(option) for option in pair]
    assert read_reference(parsed("--reference_config", config)) == ModelFiles(config)
    assert read_reference(parsed()) is None and reference_options(parsed()) == []


@pytest.mark.parametrize(
    "others, says",
    [
        (
            ["--reference_config", "a.yaml"],
            "and --reference_config a.yaml: give either",
        ),
        (["--reference_model_file", "a.pth"], "and --reference_model_file a.pth: give"),
    ],
)
def test_both_at_once_are_refused(folder, others, says):
    with pytest.raises(UserError, match=f"--reference {folder} {says}"):
        read_reference(parsed("--reference", folder, *others))


def test_a_checkpoint_without_a_configuration_is_refused():
    with pytest.raises(
        UserError, match="a.pth without --reference_config: give the fo"
    ):
        read_reference(parsed("--reference_model_file", "a.pth"))


def test_what_holds_no_model_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match="nowhere is missing: run"):
        read_reference(parsed("--reference", tmp_path / "nowhere"))
    # Its training has not ended: of its architecture no more is needed.
    (folder / "meta.json").unlink()
    write_json(folder / "request.json", {})
    args = parsed("--reference", folder)
    with pytest.raises(UserError, match="training is not finished: run stage 4"):
        read_reference(args)
    assert read_reference(args, trained=False) == ModelFiles(folder / "config.yaml")
    (folder / "request.json").unlink()
    for path in folder.glob("*.pth"):
        path.unlink()
    assert read_reference(args, trained=False) == ModelFiles(folder / "config.yaml")
    (folder / "config.yaml").unlink()
    with pytest.raises(UserError, match="configuration .*config.yaml is missing"):
        read_reference(args, trained=False)


@pytest.mark.parametrize("trained", [True, False])
def test_a_file_instead_of_its_folder_is_named(folder, trained):
    for name in ("config.yaml", "valid.acc.ave.pth"):
        says = f"--reference {folder}/{name} is a file: give its folder, {folder}$"
        with pytest.raises(UserError, match=says):
            read_reference(parsed("--reference", folder / name), trained)


def test_any_espnet_folder_is_a_reference(folder):
    (folder / "meta.json").unlink()
    files = read_reference(parsed("--reference", folder))
    assert files.checkpoint == folder / "valid.cer_ctc.ave.pth"
    assert read_reference(parsed("--reference", folder), trained=False) == files


@pytest.fixture
def trainer():
    noting = NotingTrainer()
    with use_trainer(noting):
        yield noting


def as_options(tiny, how):
    if how == "folder":
        return ["--reference", str(tiny.dir)]
    pair = ["--reference_config", str(tiny.config)]
    return [*pair, "--reference_model_file", str(tiny.checkpoint)]


@pytest.mark.parametrize("how", ["folder", "pair"])
def test_encrl_is_asked_for_alike(tiny_asr_model, tmp_path, trainer, how):
    (tmp_path / "encrl.yaml").write_text("max_epoch: 2")
    cmd = ["--config", f"{tmp_path}/encrl.yaml", "--output_dir", f"{tmp_path}/encrl_x"]
    options = as_options(tiny_asr_model, how)
    assert encrl_train.main([*cmd, *options, "--student_num_layers", "2"]) == 0
    asked = trainer.asked["encrl_x"]
    assert asked.task == ENCRL_TASK and asked.config == {"max_epoch": 2}
    wanted = [*as_options(tiny_asr_model, "pair"), "--student_num_layers", "2"]
    assert asked.options == ["--seed", "1", *wanted]
    request = read_json(tmp_path / "encrl_x/request.json")
    # As it was noted before there was --reference: finished runs stay finished.
    assert request["options"] == wanted
    assert request["reference"] == file_checksum(tiny_asr_model.checkpoint)
    trainer.asked.clear()
    other = as_options(tiny_asr_model, "pair" if how == "folder" else "folder")
    assert encrl_train.main([*cmd, *other, "--student_num_layers", "2"]) == 0
    assert not trainer.asked


@pytest.mark.parametrize("how", ["folder", "pair"])
def test_baselines_learn_from_it(tiny_asr_model, tmp_path, trainer, how):
    (tmp_path / "copy.yaml").write_text("method: layer_copy")
    cmd = ["--baselines", f"{tmp_path}/copy.yaml", "--exp_dir", f"{tmp_path}/exp"]
    options = as_options(tiny_asr_model, how)
    assert baselines.main([*cmd, *options, "--sizes", "1"]) == 0
    meta = read_json(tmp_path / "exp/asr_copy_s1_1l/meta.json")
    assert meta["reference_sha256"] == file_checksum(tiny_asr_model.checkpoint)


def test_from_scratch_an_unfinished_reference_will_do(
    tiny_asr_model, tmp_path, trainer, caplog
):
    reference = tmp_path / "asr_reference"
    reference.mkdir()
    shutil.copy(tiny_asr_model.config, reference)
    write_json(reference / "request.json", {})
    for name in ("scratch", "layer_copy"):
        (tmp_path / f"{name}.yaml").write_text(f"method: {name}")
    cmd = ["--exp_dir", f"{tmp_path}/exp", "--sizes", "1"]
    cmd += ["--reference", str(reference), "--baselines"]
    assert baselines.main([*cmd, f"{tmp_path}/scratch.yaml"]) == 0
    assert list(trainer.asked) == ["asr_scratch_s1_1l"]
    assert baselines.main([*cmd, f"{tmp_path}/layer_copy.yaml"]) == 2
    assert "run stage 4 first" in caplog.text
    assert baselines.main(["--baselines", f"{tmp_path}/scratch.yaml"]) == 2
    assert "--reference is needed" in caplog.text


@pytest.mark.parametrize("how", ["folder", "pair"])
def test_the_negative_control_has_its_architecture(tiny_asr_model, tmp_path, how):
    options = as_options(tiny_asr_model, how)
    cmd = ["--kind", "untrained", "--output", f"{tmp_path}/asr_untrained", *options]
    assert train_models.main(cmd) == 0
    assert Experiment(tmp_path / "asr_untrained").meta().layers == 3


def test_the_negative_control_needs_one(tmp_path, caplog):
    assert train_models.main(["--kind", "untrained", "--output", f"{tmp_path}/x"]) == 2
    assert "--reference is needed with --kind untrained" in caplog.text
