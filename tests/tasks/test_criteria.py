"""Values by which epochs are chosen, and which a model does not have."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
import yaml
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter
from tiny_asr import data_options

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.plain import averaged_file, train_plain_model
from espnet_plugin.tasks.criteria import check_criteria
from espnet_plugin.tasks.lm import CostLMTrainer, CountedLMTask


def stats(**values):
    return {n: [SimpleNamespace(value=v)] * 2 for n, v in values.items()}


def options(*criteria, patience=None, early=("valid", "loss", "min")):
    return Namespace(
        best_model_criterion=criteria,
        patience=patience,
        early_stopping_criterion=early,
    )


CTC = stats(loss=1.0, loss_ctc=1.0, cer_ctc=0.5, acc=float("nan"), time=3.0)


@pytest.mark.parametrize(
    "name, says",
    [
        ("cer_ctcc", "no value cer_ctcc; did you mean cer_ctc"),
        ("acc", "no value acc.*computes cer_ctc, loss, loss_ctc$"),
        ("time", "no value time"),
    ],
)
def test_a_value_that_does_not_exist_is_refused(name, says):
    with pytest.raises(UserError, match=says):
        check_criteria(CTC, options(("valid", name, "min")), 1)


def test_one_of_two_is_a_warning_in_the_first_epoch(caplog):
    criteria = [("valid", "acc", "max"), ("valid", "loss", "min")]
    check_criteria(CTC, options(*criteria), 1)
    assert "no value acc" in caplog.text
    caplog.clear()
    check_criteria(CTC, options(*criteria), 2)
    check_criteria(CTC, options(("train", "x", "max"), ("valid", "loss", "min")), 1)
    assert not caplog.text


def test_a_misspelt_phase_is_refused():
    """ESPnet skips it, and keeps no epoch."""
    wrong, right = ("vaild", "loss", "min"), ("valid", "loss", "min")
    says = "'vaild' must be one of train, valid; did"
    with pytest.raises(UserError, match=f"best_model_criterion .*{says}"):
        check_criteria(CTC, options(wrong), 1)
    with pytest.raises(UserError, match=f"early_stopping_criterion .*{says}"):
        check_criteria(CTC, options(right, patience=2, early=wrong), 1)


def test_batches_that_are_not_finite_are_named(caplog):
    """ESPnet's mean leaves them out: 1.0 here, for a model that fails on half."""
    values = [1.0, float("inf"), 1.0, float("nan")]
    steps = {"loss": [SimpleNamespace(value=v) for v in values], **stats(acc=0.5)}
    check_criteria(steps, options(("valid", "loss", "min")), 3)
    assert "epoch 3: loss is not finite in 2 of 4 batches" in caplog.text
    caplog.clear()
    other = options(("valid", "acc", "max"), early=("valid", "acc", "max"))
    check_criteria(steps, other, 3)
    assert not caplog.text


def test_early_stopping():
    criterion = ("valid", "loss", "min")
    wrong = ("valid", "los", "min")
    check_criteria(CTC, options(criterion, early=wrong), 1)  # without patience unused
    check_criteria(CTC, options(criterion, patience=2), 1)
    with pytest.raises(
        UserError, match="early_stopping_criterion valid los min: .*los"
    ):
        check_criteria(CTC, options(criterion, early=wrong, patience=2), 1)


def test_the_accuracy_of_a_decoder_chooses_no_epochs_of_a_ctc_model(tmp_path):
    both = [["valid", "acc", "max"], ["valid", "loss", "min"]]
    config = {"best_model_criterion": both}
    assert averaged_file(tmp_path, config).name == "valid.acc.ave.pth"
    assert averaged_file(tmp_path, config, True).name == "valid.loss.ave.pth"
    alone = {"best_model_criterion": both[:1], "model_conf": {"ctc_weight": 1.0}}
    with pytest.raises(UserError, match="acc.*needs an attention decoder.*cer_ctc"):
        train_plain_model(tmp_path / "exp", alone, [], Meta())
    assert not (tmp_path / "exp").exists()


@pytest.mark.slow
def test_a_misspelt_one_ends_a_training_after_its_first_epoch(tiny_asr_model, tmp_path):
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    keep = ("token_list", "token_type", "frontend", "frontend_conf", "encoder")
    keep += ("encoder_conf", "model_conf", "normalize", "normalize_conf")
    config = {name: config[name] for name in keep if name in config}
    config.update(batch_type="sorted", batch_size=2, max_epoch=3, num_workers=0)
    config.update(use_matplotlib=False, use_tensorboard=False)
    config["best_model_criterion"] = [["valid", "cer_ctcc", "min"]]
    data = data_options(tiny_asr_model.data_dir)
    with pytest.raises(UserError, match="no value cer_ctcc; did you mean cer_ctc"):
        train_plain_model(tmp_path / "exp", config, data, Meta(seed=1))
    config["best_model_criterion"] = [["valid", "cer_ctc", "min"]]
    config["max_epoch"] = 1
    train_plain_model(tmp_path / "right", config, data, Meta(seed=1))
    assert (tmp_path / "right/valid.cer_ctc.ave.pth").is_file()


def test_language_models_have_the_same_check(caplog):
    """The same mean in ESPnet's trainer: both epochs have the loss 1."""
    reporter = Reporter()
    args = CountedLMTask.get_parser().parse_args(["--output_dir", "exp"])
    given = CostLMTrainer.build_options(args)
    for epoch, losses in enumerate(([1.0, float("inf")], [1.0, 1.0]), 1):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as part:
            CostLMTrainer.validate_one_epoch(
                model=_Losses(losses),
                iterator=[(["a"], {})] * 2,
                reporter=part,
                options=given,
                distributed_option=DistributedOption(),
            )
    assert [reporter.get_value("valid", "loss", epoch) for epoch in (1, 2)] == [1, 1]
    assert "epoch 1: loss is not finite in 1 of 2 batches" in caplog.text
    assert "epoch 2" not in caplog.text


def test_language_models_refuse_a_value_that_does_not_exist():
    words = ["--output_dir", "exp", "--best_model_criterion", "valid,los,min"]
    given = CostLMTrainer.build_options(CountedLMTask.get_parser().parse_args(words))
    reporter = Reporter()
    reporter.set_epoch(1)
    with pytest.raises(UserError, match="no value los; did you mean loss"):
        with reporter.observe("valid") as part:
            CostLMTrainer.validate_one_epoch(
                model=_Losses([1.0]),
                iterator=[(["a"], {})],
                reporter=part,
                options=given,
                distributed_option=DistributedOption(),
            )


class _Losses(torch.nn.Module):
    def __init__(self, losses):
        super().__init__()
        self.losses = iter(losses)

    def forward(self, utt_id):
        loss = torch.tensor(next(self.losses))
        return loss, {"loss": loss}, torch.tensor(1.0)
