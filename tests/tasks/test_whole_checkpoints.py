"""Only a checkpoint that can be read and holds finite numbers is called whole."""

import copy
from argparse import Namespace

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from one_epoch import Mean, train_epoch

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.trainer import CostTrainer, keep_whole_checkpoint


def write(folder, epoch, value=1.0, name="checkpoint.pth"):
    state = {"w": torch.full((3,), value), "n": torch.tensor(1)}
    torch.save({"model": state, "reporter": {"epoch": epoch}}, folder / name)
    torch.save(state, folder / f"{epoch}epoch.pth")


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_disk_full_at_the_first_checkpoint_costs_only_that(tmp_path, caplog):
    write(tmp_path, 1)
    cut(tmp_path / "checkpoint.pth")
    cut(tmp_path / "1epoch.pth")
    keep_whole_checkpoint(tmp_path)
    assert names(tmp_path) == []
    assert "the training starts again" in caplog.text


def test_nothing_is_deleted_that_may_be_of_use(tmp_path):
    write(tmp_path, 4)
    cut(tmp_path / "checkpoint.pth")
    with pytest.raises(
        UserError, match="no checkpoint can be used; delete these files"
    ):
        keep_whole_checkpoint(tmp_path)
    assert names(tmp_path) == ["4epoch.pth", "checkpoint.pth"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_that_is_not_finite_gives_way(tmp_path, value):
    write(tmp_path, 1, name="checkpoint.previous.pth")
    write(tmp_path, 2, value)
    keep_whole_checkpoint(tmp_path)
    state = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    assert state["reporter"]["epoch"] == 1 and state["model"]["w"].tolist() == [1.0] * 3


def test_one_without_another_is_refused_by_its_tensor(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2, float("nan"))
    with pytest.raises(UserError, match="checkpoint.pth: w holds NaN or infinite"):
        keep_whole_checkpoint(tmp_path)


def arguments(folder, **changes):
    args = Namespace(**vars(ASRTask.get_parser().parse_args([])))
    vars(args).update(output_dir=folder, **changes)
    return args


def test_without_a_gpu_half_precision_is_left_out(tmp_path, caplog):
    args = arguments(tmp_path, use_amp=True, ngpu=0)
    assert not CostTrainer.build_options(copy.copy(args)).use_amp
    assert "use_amp is ignored: it needs a GPU" in caplog.text
    args.ngpu = 1
    assert CostTrainer.build_options(args).use_amp


def test_a_model_that_is_not_finite_ends_the_training(tmp_path):
    model = Mean()
    speech = {"speech": torch.ones(1, 8), "speech_lengths": torch.tensor([8])}
    model.register_buffer("seen", torch.tensor(float("nan")))
    with pytest.raises(UserError, match="after epoch 3 seen holds NaN or infinite"):
        train_epoch(model, [(["u"], speech)], arguments(tmp_path), epoch=3)
