"""The training step of the supernet, beside stock ESPnet and done by hand."""

import pytest
import torch
from dual_small_model import COUNTS, LENGTHS, TEXT, batch, build
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_plugin.cost.counting import count_step
from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.dual_mode.in_place import divergence_by_frame
from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.errors import UserError


def test_full_context_alone_is_stock_training():
    alone = build(dual_mode={"streaming_weight": 0.0}, pruning=False)
    stock = build(ESPnetASRModel, pruning=False)
    stock.load_state_dict(
        {k: v for k, v in alone.state_dict().items() if k != "dual_mode_batches"}
    )
    ours, theirs = alone(**batch())[0], stock(**batch())[0]
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    ours.backward(), theirs.backward()
    for (name, a), b in zip(alone.named_parameters(), stock.parameters()):
        assert torch.allclose(a.grad, b.grad, atol=1e-5), name


def test_the_loss_is_that_of_both_passes_and_their_distance():
    model = build(
        dual_mode=dict(full_weight=0.5, streaming_weight=2.0, distillation_weight=0.3)
    )
    model.encoder.pruner.set_sparsity(1.0)
    model.encoder.pruner.frozen.fill_(1)
    model.train()
    loss, stats, weight = model(**batch())
    data = batch()
    made = {}
    with torch.no_grad():
        for mode in ("full", "streaming"):
            x, frames, _ = model.encoder(data["speech"], LENGTHS, mode=mode)
            made[mode] = model.ctc(x, frames, TEXT, COUNTS), model.ctc.log_softmax(x)
        distance = divergence_by_frame(made["streaming"][1], made["full"][1], frames)
    expected = 0.5 * made["full"][0] + 2 * made["streaming"][0] + 0.3 * distance
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert stats["loss_distillation"].item() == pytest.approx(distance.item(), rel=1e-4)
    assert distance > 0 and int(weight) == 2


@pytest.mark.parametrize("kind, computed", [("units", 1), ("front_end", 2)])
def test_one_front_end_for_both_passes_is_two_passes_apart(kind, computed):
    model = build(
        dual_mode=dict(full_weight=0.5, streaming_weight=2.0, distillation_weight=0.3),
        pruning=dict(granularity=[kind], sparsity=0.5),
    ).train()
    model.encoder.pruner.set_sparsity(1.0)
    model.encoder.pruner.frozen.fill_(1)
    calls = []
    hook = model.encoder.embed.register_forward_hook(lambda *_: calls.append(1))
    loss = model(**batch())[0]
    hook.remove()
    assert len(calls) == computed
    parameters = dict(model.named_parameters())
    ours = torch.autograd.grad(loss, parameters.values())
    made = {}
    for mode in ("full", "streaming"):
        x, frames, _ = model.encoder(batch()["speech"], LENGTHS, mode=mode)
        made[mode] = model.ctc(x, frames, TEXT, COUNTS), model.ctc.log_softmax(x)
    distance = divergence_by_frame(made["streaming"][1], made["full"][1], frames)
    apart = 0.5 * made["full"][0] + 2 * made["streaming"][0] + 0.3 * distance
    assert loss.item() == pytest.approx(apart.item(), rel=1e-6)
    theirs = torch.autograd.grad(apart, parameters.values())
    for name, a, b in zip(parameters, ours, theirs):
        assert torch.allclose(a, b, atol=1e-5, rtol=1e-4), name


def test_samples_that_are_no_numbers_are_refused_with_their_names():
    model = build().train()
    model.encoder.pruner.frozen.fill_(1)
    model.set_plan(TrainingPlan((4,), 1))
    data = batch()
    data["speech"][1, 7] = float("nan")
    with pytest.raises(UserError, match="the loss is nan on .'a', 'b'.: lower the"):
        model(**data, utt_id=["a", "b"])


@pytest.mark.parametrize("mode", ["full", "streaming"])
def test_masked_weights_learn_from_the_dense_pass_only(mode):
    other = {"full": "streaming_weight", "streaming": "full_weight"}[mode]
    model = build(dual_mode={other: 0.0})
    model.encoder.pruner.set_sparsity(1.0)
    model.encoder.pruner.frozen.fill_(1)
    model(**batch())[0].backward()
    seen = 0
    for kind, groups, mask in model.encoder.pruner.masks():
        for owner, name, spread in groups.spread(mask):
            weight = owner.get_parameter(name)
            masked = weight.grad[spread.expand_as(weight) == 0]
            seen += masked.numel()
            assert bool(masked.any()) == (mode == "full"), (kind, name)
    assert seen


def test_drawing_one_pass_has_the_same_mean():
    options = dict(full_weight=1.0, streaming_weight=3.0, distillation_weight=0.5)
    both = build(dual_mode=options, pruning=False).train()
    one = build(dual_mode={**options, "sampling": "one"}, pruning=False).train()
    expected = both(**batch())[0].item()
    draws = [one(**batch())[0].item() for _ in range(400)]
    assert len({round(value, 4) for value in draws}) == 2
    assert sum(draws) / 400 == pytest.approx(expected, rel=0.08)
    # Ranks and resumed runs draw alike: it hangs on the step's number alone.
    again = build(dual_mode={**options, "sampling": "one"}, pruning=False).train()
    torch.rand(5)
    assert [again(**batch())[0].item() for _ in range(20)] == pytest.approx(draws[:20])


def test_validation_looks_at_both_modes_and_at_moving_masks():
    model = build(dual_mode={"streaming_weight": 0.0}).eval()
    stats = model(**batch())[1]
    assert stats["cer"] == stats["cer_ctc_full"] and "cer_ctc_streaming" in stats
    assert stats["cer_final"].item() == pytest.approx(stats["cer"].item() + 10)
    model.encoder.pruner.frozen.fill_(1)
    assert model(**batch())[1]["cer_final"] == stats["cer"]


def test_the_masks_move_with_training_only():
    model = build()
    model.eval()(**batch())
    assert int(model.encoder.pruner.update) == 0
    model.train()
    for _ in range(10):
        model(**batch())
    pruner = model.encoder.pruner
    assert bool(pruner.frozen) and pruner.counts()["units"] == [(6, 12)] * 2


def test_masks_stay_within_an_update_of_several_batches():
    # Two epochs of five batches, two an update: the fifth is left over.
    model = build(pruning=dict(sparsity=0.5, every=2, end=0.7), planned=False).train()
    model.set_plan(TrainingPlan((5, 5), accumulated=2))
    pruner, seen = model.encoder.pruner, []
    for _ in range(10):
        model(**batch())
        seen.append((int(pruner.update), bool(pruner.frozen), pruner.sparsity))
    assert [update for update, *_ in seen] == [1, 1, 2, 2, 2, 3, 3, 4, 4, 4]
    # Computed before updates 0 and 2 and frozen before update 3: 3/4 is past the end.
    assert [frozen for _, frozen, _ in seen] == [False] * 7 + [True] * 3
    shares = [share for *_, share in seen]
    assert len(set(shares[:5])) == 1 and len(set(shares[5:7])) == 1
    assert shares[0] == 0.0 < shares[5] <= shares[7]


def test_it_is_not_pruned_without_knowing_how_long():
    model = build(planned=False).train()
    with pytest.raises(UserError, match="dual_mode_train"):
        model(**batch())
    model.eval()(**batch())
    dense = build(pruning=False, planned=False).train()
    assert torch.isfinite(dense(**batch())[0])


def test_padding_and_order_change_nothing():
    model = build(dual_mode={"distillation_weight": 1.0}).eval()
    data = batch()
    loss = model(**data)[0].item()
    longer = {**data, "speech": torch.nn.functional.pad(data["speech"], (0, 0, 0, 9))}
    longer["speech"][1, 41:] = 7.0
    assert model(**longer)[0].item() == pytest.approx(loss, rel=1e-5)
    turned = {name: value.flip(0) for name, value in data.items()}
    assert model(**turned)[0].item() == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3])
def test_with_a_transducer(ctc_weight):
    model = build(
        transducer=True,
        ctc_weight=ctc_weight,
        dual_mode={"distillation_weight": 0.1},
    )
    loss, stats, _ = model(**batch())
    loss.backward()
    assert stats["loss_distillation"] > 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    model.eval()
    stats = model(**batch())[1]
    assert {"cer_transducer_full", "cer_transducer_streaming"} <= set(stats)
    assert ("loss_ctc_full" in stats) == bool(ctc_weight)
    # It learns these two utterances by heart, in both modes.
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(120):
        optimiser.zero_grad()
        model(**batch())[0].backward()
        optimiser.step()
    model.eval()
    after = model(**batch())[1]
    for mode in ("full", "streaming"):
        assert stats[f"cer_transducer_{mode}"] >= 1.0  # it said nothing, or too much
        assert after[f"cer_transducer_{mode}"] < 0.7
        loss = after[f"loss_transducer_{mode}"]
        assert loss < 0.3 * stats[f"loss_transducer_{mode}"]


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(dual_mode={"full_weight": 0, "streaming_weight": 0}), "must be above 0"),
        (dict(dual_mode={"sampling": "some"}), "one of both, one"),
        (dict(dual_mode={"speed": 1}), "speed"),
        (dict(dual_mode={"distillation_weight": float("nan")}), "0 or more"),
        (
            dict(dual_mode={"streaming_weight": 0, "distillation_weight": 1}),
            "streaming",
        ),
        (dict(dual_mode={"temperature": 0}), "temperature 0"),
        (dict(dual_mode={"delay_frames": 1.5}), "delay_frames"),
        (dict(ctc_weight=0.3), "attention"),
    ],
)
def test_bad_options(conf, message):
    with pytest.raises(UserError, match=message):
        build(**conf)


@pytest.mark.parametrize("transducer", [False, True])
def test_operations_are_those_of_a_real_step(transducer):
    model = build(
        transducer=transducer,
        ctc_weight=0.3 if transducer else 1.0,
        pruning=False,
        dual_mode={"distillation_weight": 0.1},
    ).train()
    model.seconds_per_input = 0.01
    with flop_counter() as counter:
        loss = model(**batch())[0]
        torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    # Nothing is recognised in training, so no such operations are to be counted.
    assert count_step(model, batch(), 2, 0.6) == (counter.get_total_flops(), 0)


def test_operations_are_those_of_the_passes_that_a_step_computes():
    def count(pruning=False, **step):
        model = build(dual_mode=step, pruning=pruning).train()
        model.seconds_per_input = 0.01
        flops, of_teacher = count_step(model, batch(), 2, 0.6)
        assert model.training and model.probed is None and not of_teacher
        return flops

    full = count(streaming_weight=0.0)
    streaming = count(full_weight=0.0)
    # Convolutions that both passes share are made once, forward and backward.
    embed = build(pruning=False).encoder.embed
    with flop_counter() as counter:
        out = embed(torch.randn(2, 60, 12))
        torch.autograd.grad(out.sum(), list(embed.parameters()))
    front = counter.get_total_flops()
    assert full != streaming and front > 0
    assert count() == full + streaming - front
    assert count(dict(granularity=["front_end"])) == full + streaming
    one = count(full_weight=1.0, streaming_weight=3.0, sampling="one")
    assert one == pytest.approx(0.25 * full + 0.75 * streaming, abs=1)
    # The forward pass of what is learnt from: a third of learning, here a bit less.
    taught = count(
        full_weight=1.0, streaming_weight=3.0, sampling="one", distillation_weight=1.0
    )
    assert one < taught < one + 0.75 * full / 2
