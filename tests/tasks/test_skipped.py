"""Updates that ESPnet leaves out, since their gradient is not finite."""

import copy
from argparse import Namespace

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from one_epoch import Mean, train_epoch

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.trainer import CostTrainer


def train(folder, values, use_amp=False, accum_grad=1, model=None):
    args = Namespace(**vars(ASRTask.get_parser().parse_args([])))
    args.output_dir, args.use_amp, args.accum_grad = folder, use_amp, accum_grad
    args.ngpu = int(use_amp)  # without one, half precision is left out
    options = CostTrainer.build_options(args)
    options.ngpu = 0  # there is none
    model = model or Mean()
    batches = [
        (["u"], {"speech": torch.full((1, 8), v), "speech_lengths": torch.tensor([8])})
        for v in values
    ]
    train_epoch(model, batches, args, epoch=3, options=options)
    return model


NAN = float("nan")


def test_few_are_told(tmp_path, caplog):
    model = train(tmp_path, [NAN] + 9 * [0.5])
    assert torch.isfinite(model.scale.weight).all()
    assert "1 of 10 updates of epoch 3 had no finite gradient" in caplog.text


def test_none_is_not_told(tmp_path, caplog):
    train(tmp_path, 10 * [0.5])
    assert "finite" not in caplog.text
    assert (tmp_path / "cost.json").is_file()


@pytest.mark.parametrize("values", [[0.5, NAN] + 8 * [0.5] + [NAN], 4 * [NAN]])
def test_many_end_the_training(tmp_path, values):
    count = sum(value != value for value in values)
    with pytest.raises(UserError, match=f"{count} of {len(values)} updates of epoch 3"):
        train(tmp_path, values)


def test_updates_are_counted_not_batches(tmp_path):
    # Eight batches are four updates; the two bad batches spoil one of them.
    values = [0.5, 0.5, NAN, NAN, 0.5, 0.5, 0.5, 0.5]
    with pytest.raises(UserError, match="1 of 4 updates"):
        train(tmp_path, values, accum_grad=2)


def test_the_rest_of_an_epoch_is_not_added_to_the_next(tmp_path):
    """Three batches, one update for each two: as if the third were not there."""
    model = train(tmp_path / "whole", [0.5, 0.7, 9.0], accum_grad=2)
    assert model.scale.weight.grad.abs().sum() > 0  # ESPnet has left the third's
    resumed = copy.deepcopy(model)
    resumed.zero_grad()  # as a checkpoint, which has no gradients
    for one in (model, resumed):
        train(tmp_path / "next", [0.5, 0.7, 9.0], accum_grad=2, model=one)
    assert torch.equal(model.scale.weight, resumed.scale.weight)
    assert torch.equal(model.scale.bias, resumed.scale.bias)


def test_half_precision_may_look_for_its_scale(tmp_path, caplog):
    train(tmp_path, [NAN, NAN, 0.5, 0.5], use_amp=True)
    assert "2 of 4 updates" in caplog.text
