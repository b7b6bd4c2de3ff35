"""Losses whose weight changes: two views, self-distillation, a falling weight."""

from types import SimpleNamespace

import pytest
import tiny_encrl
import torch
import yaml
from plain_model import write_plain_model

from espnet_plugin.cost.counting import count_step
from espnet_plugin.distill.consistency import divergence_from, symmetric_divergence
from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.teacher import exit_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.encrl import EncRLTask

_SPECAUG = (
    *("--specaug", "specaug", "--specaug_conf", "apply_time_warp=false"),
    *("--specaug_conf", "apply_time_mask=false"),
)


def test_the_weight_of_the_objectives_falls_during_training(tiny_asr_model, tmp_path):
    conf = ("--model_conf", "ctc_loss_weight=0.5", "--model_conf", "fading={end: 0.0}")
    # Two epochs of two batches: four steps.
    more = ("--batch_size", "2", "--accum_grad", "2")
    given = tiny_encrl.options(tiny_asr_model, tmp_path, *conf, *more)
    args = EncRLTask.get_parser().parse_args(given)
    model = EncRLTask.build_model(args)
    EncRLTask.build_optimizers(args, model)
    assert model.fading.steps == 4
    model.eval()
    speech, lengths = tiny_encrl.batch()
    text, text_lengths = torch.full((3, 2), 5), torch.tensor([2, 2, 2])
    text[:, 1] = 7

    def loss():
        with torch.no_grad():
            value, stats, _ = model(speech, lengths, text, text_lengths)
        return value.item(), stats["loss_ctc"].item()

    last, ctc = loss()
    assert last == pytest.approx(0.5 * ctc, rel=1e-5)  # as on the development set
    model.training, model.specaug = True, None
    seen = [loss()[0] - 0.5 * ctc for _ in range(4)]
    assert seen[0] > 0.1
    assert seen == pytest.approx([seen[0] * w for w in (1, 2 / 3, 1 / 3, 0)], abs=1e-4)


def test_refuses_to_end_with_nothing_to_train(tiny_asr_model, tmp_path):
    with pytest.raises(UserError, match="fading.end 0: nothing is trained at the end"):
        tiny_encrl.build(tiny_asr_model, tmp_path, "--model_conf", "fading={end: 0}")


class _Views(torch.nn.Module):
    """In place of SpecAugment: the second half of the joined batch is less loud."""

    def forward(self, x, lengths):
        half = len(x) // 2
        return torch.cat([x[:half], x[half:] - 1.0]), lengths


def _views_of_exits(model, speech, lengths):
    """Return the two views' outputs of each exit, the last layer's at the end."""
    joined = exit_outputs(model, torch.cat([speech] * 2), torch.cat([lengths] * 2))
    half = len(speech)
    return [
        [
            EncoderOutputs(
                outputs.encoding[part],
                outputs.log_posteriors[part],
                outputs.lengths[part],
            )
            for part in (slice(0, half), slice(half, None))
        ]
        for outputs in joined
    ]


def test_two_views_learn_from_teacher_and_each_other(tiny_asr_model, tmp_path):
    options = ("--student_num_layers", "2", "--student_exits", "1")
    conf = ("--model_conf", "consistency={weight: 0.5, warmup: 2}")
    model, args = tiny_encrl.build(
        tiny_asr_model, tmp_path / "run", *options, *conf, *_SPECAUG
    )
    model.eval()
    model.specaug = _Views()
    model.training = True  # without dropout
    speech, lengths = tiny_encrl.batch()
    with torch.no_grad():
        first, stats, weight = model(speech, lengths)
        second, _, _ = model(speech, lengths)
        exits = _views_of_exits(model, speech, lengths)
        theirs = model.teacher(speech, lengths)
        views = [view for both in exits for view in both]
        matched = [model.objectives(view, theirs)[0].item() for view in views]
        apart = [symmetric_divergence(*both).item() for both in exits]
    assert weight == 3 and min(apart) > 0.01
    # The weight of consistency is 0.25 in the first of two updates of its warm-up.
    expected = [sum(matched) / 4 + w * sum(apart) / 2 for w in (0.25, 0.5)]
    assert [first.item(), second.item()] == pytest.approx(expected, rel=1e-5)
    assert stats["loss_consistency_layer1"].item() == pytest.approx(apart[0], rel=1e-5)

    # One view on the development set, and a stock model in the end.
    model.eval()
    assert "loss_consistency" not in model(speech, lengths)[1]
    torch.save(model.state_dict(), tmp_path / "all.pth")
    config = yaml.safe_load(yaml.safe_dump(vars(args)))
    path = write_plain_model(
        config, tmp_path / "all.pth", [0], tmp_path / "one/model.pth"
    )
    assert not any("consistency" in name for name in torch.load(path))
    assert "consistency" not in yaml.safe_load(
        path.with_name("config.yaml").read_text()
    )


@pytest.mark.parametrize("views", [1, 2])
def test_smaller_sizes_learn_from_the_largest(tiny_asr_model, tmp_path, views):
    options = ["--student_num_layers", "2", "--student_exits", "1"]
    conf = ["--model_conf", "exit_weights={1: 0.5}", *_SPECAUG]
    if views > 1:
        conf += ["--model_conf", "consistency={weight: 1.0e-9}"]
    taught = ["--model_conf", "self_distillation={weight: 0.4}"]
    model, args = tiny_encrl.build(
        tiny_asr_model, tmp_path / "run", *options, *conf, *taught
    )
    model.eval()
    model.specaug = _Views() if views > 1 else None
    speech, lengths = tiny_encrl.batch()
    with torch.no_grad():
        on_dev, stats, _ = model(speech, lengths)
        assert not any("self" in name for name in stats)
    model.training = True  # without dropout
    loss, stats, _ = model(speech, lengths)
    with torch.no_grad():
        model.self_distillation.weight = 0.0
        without = model(speech, lengths)[0]
        small, large = _views_of_exits(model, speech, lengths)
    if views > 1:
        # Each learns from what the largest size makes of the other view.
        pairs = [(large[1], small[0]), (large[0], small[1])]
    else:
        pairs = [(large[0], small[0])]
        assert on_dev.item() == pytest.approx(without.item(), rel=1e-5)
    apart = sum(divergence_from(*pair).item() for pair in pairs) / views
    assert apart > 0.01
    assert stats["loss_self_layer1"].item() == pytest.approx(apart, rel=1e-4)
    added = loss.item() - without.item()
    # The loss is divided by the sum of the sizes' weights.
    assert added == pytest.approx(0.5 * 0.4 * apart / 1.5, rel=1e-3)

    torch.save(model.state_dict(), tmp_path / "all.pth")
    config = yaml.safe_load(yaml.safe_dump(vars(args)))
    path = write_plain_model(
        config, tmp_path / "all.pth", [0], tmp_path / "one/model.pth"
    )
    assert not any("self_distillation" in name for name in torch.load(path))


def test_refuses_self_distillation_of_one_size(tiny_asr_model, tmp_path):
    conf = ("--model_conf", "self_distillation={weight: 0.4}")
    with pytest.raises(UserError, match="self_distillation needs .* several sizes"):
        tiny_encrl.build(tiny_asr_model, tmp_path, *conf)


def test_a_step_with_two_views_costs_twice(tiny_asr_model, tmp_path):
    speech, lengths = tiny_encrl.batch()
    costs = []
    for weight in (0, 0.2):
        conf = ("--model_conf", f"consistency={{weight: {weight}}}")
        model, _ = tiny_encrl.build(tiny_asr_model, tmp_path, *conf, *_SPECAUG)
        model.seconds_per_input = 1 / 16000
        batch = {"speech": speech, "speech_lengths": lengths}
        costs.append(count_step(model, batch, 2, 1.0))
    assert costs[1][0] == pytest.approx(2 * costs[0][0], rel=0.02)
    assert costs[1][1] == costs[0][1]  # the teacher hears an utterance once


@pytest.mark.parametrize(
    "given, said",
    [
        ("{weight: -1}", "model_conf.consistency.weight -1"),
        ("{wieght: 0.2}", "model_conf.consistency.wieght .*weight"),
    ],
)
def test_refuses_wrong_consistency(tiny_asr_model, tmp_path, given, said):
    with pytest.raises(UserError, match=said):
        tiny_encrl.build(
            tiny_asr_model, tmp_path, "--model_conf", f"consistency={given}"
        )


def test_refuses_two_views_without_specaug(tiny_asr_model, tmp_path):
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    bare = tmp_path / "config.yaml"
    bare.write_text(yaml.safe_dump({**config, "specaug": None}))
    reference = SimpleNamespace(**{**vars(tiny_asr_model), "config": bare})
    conf = ("--model_conf", "consistency={weight: 0.2}")
    with pytest.raises(UserError, match="model_conf.consistency needs SpecAugment"):
        tiny_encrl.build(reference, tmp_path / "run", *conf)
