"""Both modes of the supernet taught by a frozen model, against the same by hand."""

import copy

import pytest
import torch
from dual_small_model import COUNTS, LENGTHS, TEXT, batch, build
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_plugin.cost.counting import count_step
from espnet_plugin.distill.objectives import EncoderOutputs, KLObjective
from espnet_plugin.distill.teacher import FrozenTeacher
from espnet_plugin.dual_mode.teaching import TaughtModes, Teaching
from espnet_plugin.errors import UserError


def teacher(seed=5):
    """Another full-context model of the same frames."""
    model = build(ESPnetASRModel, pruning=False)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return FrozenTeacher(model)


def taught_model(teaching, **conf):
    model = build(teaching={"objectives": {"kl": {}}, **teaching}, **conf)
    model.encoder.pruner.set_sparsity(1.0)
    model.encoder.pruner.frozen.fill_(1)
    model.attach_teacher(teacher())
    return model.train()


def by_hand(model, mode):
    """Return the mode's CTC loss and its distance to the teacher."""
    data, theirs = batch(), model.teacher(batch()["speech"], LENGTHS)
    x, frames, _ = model.encoder(data["speech"], LENGTHS, mode=mode)
    ours = EncoderOutputs(x, model.ctc.log_softmax(x), frames)
    return model.ctc(x, frames, TEXT, COUNTS), KLObjective()(ours, theirs)


def test_the_loss_is_that_of_both_modes_and_their_distance_to_the_teacher():
    model = taught_model(
        {"weight": 3.0}, dual_mode=dict(full_weight=0.5, streaming_weight=2.0)
    )
    loss, stats, _ = model(**batch())
    full, streaming = by_hand(model, "full"), by_hand(model, "streaming")
    expected = 0.5 * (full[0] + 3 * full[1]) + 2 * (streaming[0] + 3 * streaming[1])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert stats["loss_kl_taught_full"].item() == pytest.approx(
        full[1].item(), rel=1e-4
    )
    assert full[1] != streaming[1]
    loss.backward()
    assert all(p.grad is None for p in model.teacher.model.parameters())
    # The teacher is no part of what is trained or written.
    assert not any("teacher" in name for name in model.state_dict())


def test_one_mode_may_be_taught_alone():
    model = taught_model({"modes": ["streaming"]})
    loss, stats, _ = model(**batch())
    full, streaming = by_hand(model, "full"), by_hand(model, "streaming")
    expected = full[0] + streaming[0] + streaming[1]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert "loss_kl_taught_full" not in stats


def test_without_transcripts_the_text_changes_nothing():
    model = taught_model({"transcripts": False})
    other = {**batch(), "text": TEXT.flip(0).clamp(min=3), "text_lengths": COUNTS}
    losses = [copy.deepcopy(model)(**data)[0].item() for data in (batch(), other)]
    expected = sum(by_hand(model, mode)[1] for mode in ("full", "streaming"))
    assert losses[0] == losses[1] == pytest.approx(expected.item(), rel=1e-5)


def test_operations_of_the_teacher_are_counted_apart():
    counted = {}
    for name, model in ("alone", build()), ("taught", taught_model({})):
        model.seconds_per_input = 0.01
        counted[name] = count_step(model, batch(), 2, 0.6)
    assert counted["alone"][1] == 0 < counted["taught"][1]
    # What the objectives themselves cost is little beside the model's own passes.
    assert counted["taught"][0] == pytest.approx(counted["alone"][0], rel=0.05)


@pytest.mark.parametrize("late", [0, 2, 3])
def test_the_delay_that_costs_least_counts(late):
    torch.manual_seed(0)
    lengths, frames = torch.tensor([9, 7]), 9
    theirs = torch.randn(2, frames, 5).mul(3).log_softmax(-1)
    ours = torch.randn(2, frames, 5).mul(3).log_softmax(-1)
    ours[:, late:] = theirs[:, : frames - late]
    encoding = torch.zeros(2, frames, 4)
    student = EncoderOutputs(encoding, ours, lengths)
    reference = EncoderOutputs(encoding, theirs, lengths)
    taught = TaughtModes(Teaching({"kl": {}}, delay_frames=3), 4)
    loss, terms = taught("streaming", student, reference)
    assert terms["delay"] == late
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    # The full-context mode has no reason to be late.
    in_time, terms = taught("full", student, reference)
    assert "delay" not in terms and (late == 0 or in_time > 0.5)


def test_a_delay_longer_than_the_utterance_is_left_out():
    x = torch.randn(1, 2, 5).log_softmax(-1)
    outputs = EncoderOutputs(torch.zeros(1, 2, 4), x, torch.tensor([2]))
    taught = TaughtModes(Teaching({"kl": {}}, delay_frames=8), 4)
    assert torch.isfinite(taught("streaming", outputs, outputs)[0])


def test_other_frames_are_refused():
    taught = TaughtModes(Teaching({"kl": {}}), 4)
    one, other = (
        EncoderOutputs(torch.zeros(1, n, 4), torch.zeros(1, n, 5), torch.tensor([n]))
        for n in (5, 6)
    )
    with pytest.raises(UserError, match="full mode makes .5.*reference .6"):
        taught("full", one, other)


@pytest.mark.parametrize(
    ("teaching", "facts"),
    [
        ({}, "objectives"),
        ({"objectives": {"kl": {}}, "weight": 0.0}, "weight 0.0"),
        ({"objectives": {"kl": {}}, "modes": ["dense"]}, "modes .*dense"),
        ({"objectives": {"kl": {}}, "modes": []}, "modes"),
        ({"objectives": {"kl": {}}, "delay_frames": -1}, "delay_frames -1"),
        ({"objectives": {"kll": {}}}, "kll"),
        ({"objectives": {"kl": {}}, "delay": 1}, "teaching.delay"),
    ],
)
def test_wrong_options_are_named(teaching, facts):
    with pytest.raises(UserError, match=facts):
        build(teaching=teaching)


def test_a_training_without_its_teacher_is_refused():
    model = build(teaching={"objectives": {"kl": {}}}).train()
    with pytest.raises(UserError, match="--reference"):
        model(**batch())
