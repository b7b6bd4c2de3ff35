"""One training in a folder: what is asked of the trainer, and when it is finished."""

import os
from pathlib import Path

import pytest
import yaml
from noting_trainer import NotingTrainer

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.jobs.requests import TrainingRequest
from espnet_plugin.jobs.trainer import train_task, use_trainer
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.yaml_files import write_yaml

CONFIG = {"max_epoch": 2}
TRAINING = Training(
    "some:Task", TrainingRequest(CONFIG, ["--seed", "1"]), ["--seed", "1"], ["--x", "y"]
)


@pytest.fixture
def trainer():
    noting = NotingTrainer()
    with use_trainer(noting):
        yield noting


@pytest.fixture
def experiment(tmp_path):
    return Experiment(tmp_path / "exp/asr_x")


def test_it_is_finished_when_the_block_is(experiment, trainer):
    folder, prepared = experiment.folder, []
    with trained(folder, TRAINING, lambda: prepared.append(1)) as unfinished:
        assert unfinished and prepared == [1] and not experiment.is_finished
    assert experiment.is_finished
    asked = trainer.asked.pop("asr_x")
    assert (asked.task, asked.config) == ("some:Task", CONFIG)
    assert asked.options == ["--seed", "1", "--x", "y"]
    assert yaml.safe_load(experiment.train_config_file.read_text()) == CONFIG
    with trained(folder, TRAINING, lambda: prepared.append(2)) as unfinished:
        assert not unfinished
    assert not trainer.asked and prepared == [1]


def test_a_lost_configuration_is_named(experiment, trainer):
    for _ in range(2):
        with trained(experiment.folder, TRAINING):
            experiment.config_file.write_text("encoder: conformer\n")
            experiment.epoch_file(1).touch()
    experiment.config_file.unlink()
    says = f"{experiment.folder} is finished, but its config.yaml is missing"
    with pytest.raises(UserError, match=says):
        with trained(experiment.folder, TRAINING):
            pytest.fail("the training counts as usable")


def test_what_failed_in_the_block_is_done_again(experiment, trainer):
    with pytest.raises(UserError, match="no sizes"):
        with trained(experiment.folder, TRAINING):
            raise UserError("no sizes")
    assert not experiment.is_finished
    with trained(experiment.folder, TRAINING) as unfinished:
        assert unfinished
    assert experiment.is_finished


def test_a_users_own_file_is_named_and_not_copied(experiment, trainer, tmp_path):
    path = tmp_path / "conf/train.yaml"
    write_yaml(path, CONFIG)
    training = Training(TRAINING.task, TRAINING.request, [], config_file=path)
    seen = []

    def trainer_that_looks(task, cmd):
        seen.append(cmd[: cmd.index("--output_dir")])

    with use_trainer(trainer_that_looks):
        with trained(experiment.folder, training):
            pass
    assert seen == [["--config", str(path)]]
    assert not experiment.train_config_file.exists()


def test_of_several_processes_the_first_prepares_and_finishes(experiment, trainer):
    options = ["--seed", "1", "--dist_rank", "1"]
    other = Training(TRAINING.task, TRAINING.request, options)
    write_yaml(experiment.train_config_file, CONFIG)  # by the first one
    before = sorted(experiment.folder.iterdir())
    with trained(experiment.folder, other, lambda: pytest.fail("prepared")) as mine:
        assert not mine
    assert trainer.asked["asr_x"].options == options
    assert sorted(experiment.folder.iterdir()) == before


def test_a_trainer_serves_what_is_inside(trainer):
    calls = []
    with use_trainer(lambda task, cmd: calls.append(task)):
        train_task("a:B", [])
    with pytest.raises(KeyError):
        train_task("a:B", [])  # the one before again, which wants options
    assert calls == ["a:B"]
    assert not trainer.asked


def test_an_emptied_marker_does_not_count(experiment, trainer):
    """A power cut that empties it may have emptied the model, too."""
    for content in (None, "", "{}"):
        if content is not None:
            experiment.done_file.write_text(content)
        with trained(experiment.folder, TRAINING) as unfinished:
            assert unfinished == (content != "{}")


def test_an_emptied_request_is_no_obstacle_before_the_first_checkpoint(
    experiment, trainer
):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            with trained(experiment.folder, TRAINING):
                raise KeyboardInterrupt
        experiment.request_file.write_bytes(b"")
    with trained(experiment.folder, TRAINING) as unfinished:
        assert unfinished
    # Its checkpoints could be of any options, so deleting the file is no way out.
    experiment.epoch_file(1).touch()
    experiment.request_file.write_bytes(b"")
    with pytest.raises(UserError, match="delete the folder") as caught:
        with trained(experiment.folder, TRAINING):
            pytest.fail("the training goes on")
    assert str(experiment.request_file) in str(caught.value)


def test_the_marker_is_written_after_its_files_are_on_the_disk(
    experiment, trainer, monkeypatch
):
    done = []
    sync, replace = os.fsync, os.replace

    def noted_sync(handle):
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    def noted_replace(source, target):
        done.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    with trained(experiment.folder, TRAINING):
        experiment.config_file.write_text("encoder: conformer\n")
        experiment.epoch_file(1).write_bytes(b"PK")
    synced = done[: done.index("done.json")]
    assert {"config.yaml", "1epoch.pth", "request.json", "asr_x"} <= set(synced)
