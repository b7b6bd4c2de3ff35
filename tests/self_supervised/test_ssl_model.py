"""Both passes of the SSL model: same targets, their gradients, schedules, resuming."""

import io
import math

import pytest
import torch
from dual_small import BINS
from ssl_small import STRUCTURED, batch, train, wav2vec2_model

from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.errors import UserError
from espnet_plugin.names import SPAN_MASK


@pytest.mark.parametrize("granularity", [STRUCTURED, ["front_end", "units"]])
def test_both_passes_find_the_same_targets_behind_the_same_mask(granularity):
    model = wav2vec2_model(
        dict(granularity=granularity, sparsity=0.5),
        full_weight=0.7,
        streaming_weight=0.4,
        distillation_weight=0.2,
    ).eval()
    encoder, objective = model.encoder, model.losses[0].objective
    encoder.pruner.set_sparsity(1.0)
    features, lengths = batch()
    loss, stats, weight = model(features, lengths)
    generator = torch.Generator().manual_seed(0)
    frames, count = encoder.embed(features), encoder.embed.frames(lengths)
    valid = torch.arange(frames.shape[1]) < count[:, None]
    mask = model.util_modules[SPAN_MASK](count, frames.shape[1], generator)
    targets = objective.targets(frames, valid, mask, generator)
    expected = objective.diversity_weight * targets.diversity
    found = {}
    for mode, share in (("full", 0.7), ("streaming", 0.4)):
        # In the encoder's own forward, with the masked frames put in behind `embed`.
        hook = encoder.embed.register_forward_hook(
            lambda module, given, out: torch.where(
                mask[..., None], model.mask_vector, out
            )
        )
        encodings = encoder(features, lengths, mode=mode)[0]
        hook.remove()
        found[mode] = objective.compare(encodings, targets)
        expected = expected + share * found[mode].loss
        assert torch.allclose(stats[f"loss_{mode}"], found[mode].loss, atol=1e-5)
        assert torch.allclose(stats[f"acc_{mode}"], found[mode].accuracy)
    extra = objective.distil(found["full"], found["streaming"], targets)
    assert torch.allclose(loss, expected + 0.2 * extra, atol=1e-5)
    assert int(weight) == int(targets.usable.sum()) == int(mask.sum())
    assert not torch.allclose(found["full"].loss, found["streaming"].loss)


def test_targets_teach_the_front_end_and_the_quantiser():
    model = wav2vec2_model(streaming_weight=0.0).train()
    model.set_plan(TrainingPlan((10,)))
    model(*batch())[0].backward()
    quantiser = model.losses[0].objective.quantiser
    for parameter in (quantiser.logits.weight, quantiser.codes, model.mask_vector):
        assert parameter.grad.abs().sum() > 0
    assert all(p.grad is not None for p in model.parameters())


def test_updates_are_counted_once_where_batches_accumulate():
    plan = TrainingPlan((7, 7, 7), accumulated=3)
    assert plan.updates == 6
    # The seventh batch of an epoch is left over.
    expected = [0, None, None, 1, None, None, None, 2, None, None, 3, None, None, None]
    assert [plan.update(batch) for batch in range(14)] == expected
    model = wav2vec2_model().train()
    model.set_plan(plan)
    seen = []
    for _ in range(14):
        model(*batch())
        seen.append(int(model.encoder.pruner.update))
    assert seen == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4]
    # Epochs of other lengths, as where data is selected.
    uneven = TrainingPlan((4, 3), accumulated=2)
    assert [uneven.update(batch) for batch in range(8)] == [
        *(0, None, 1, None, 2, None, None, None),
    ]
    assert uneven.updates == 3
    with pytest.raises(UserError, match="end 0.6 of 1 updates"):
        wav2vec2_model().set_plan(TrainingPlan((1,)))
    with pytest.raises(UserError, match="accum_grad 8"):
        TrainingPlan((7, 7), accumulated=8)


@pytest.mark.parametrize("sampling", ["both", "one"])
def test_a_resumed_training_goes_on_with_masks_schedule_and_temperature(sampling):
    def begin():
        pruning = dict(sparsity=0.5, every=1, end=0.9)
        model = wav2vec2_model(pruning, dropout=0.1, sampling=sampling)
        model.set_plan(TrainingPlan((2,) * 5))
        return model.train(), torch.optim.SGD(model.parameters(), lr=0.1)

    whole, optim = begin()
    train(whole, optim, range(10))
    half, optim = begin()
    train(half, optim, range(4))
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    middle = half.losses[0].objective.quantiser.temperature
    file.seek(0)
    again, optim = begin()
    again.load_state_dict(torch.load(file, weights_only=True), strict=True)
    train(again, optim, range(4, 10))
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert int(again.global_step) == 10 and again.encoder.pruner.frozen
    one, two = (m.losses[0].objective.quantiser.temperature for m in (whole, again))
    assert one == two == 0.5 < middle < 2.0
    assert again.encoder.pruner.sparsity == 0.5


def test_one_sampled_pass_a_step_weighs_as_much_as_both():
    model = wav2vec2_model(
        full_weight=0.9, streaming_weight=0.3, sampling="one"
    ).train()
    model.set_plan(TrainingPlan((200,)))
    counts = {"full": 0, "streaming": 0}
    diversity = model.losses[0].objective.diversity_weight
    for _ in range(60):
        with torch.no_grad():
            loss, stats, _ = model(*batch())
        (mode,) = [mode for mode in counts if f"loss_{mode}" in stats]
        counts[mode] += 1
        weighed = 1.2 * stats[f"loss_{mode}"] + diversity * stats["loss_diversity"]
        assert loss.item() == pytest.approx(weighed.item(), rel=1e-5)
    assert 33 < counts["full"] < 57  # three quarters: 45, standard deviation 3.4
    stats = model.eval()(*batch())[1]
    assert "acc_full" in stats and "acc_streaming" in stats


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_refused(value):
    features, lengths = batch()
    features[1, 3, 2] = value
    with pytest.raises(UserError, match="one.*not finite"):
        wav2vec2_model().eval()(features, lengths, utt_id=["one"])


@pytest.mark.parametrize(
    "conf, named",
    [
        (dict(full_weight=-1.0), "full_weight -1.0"),
        (dict(full_weight=0.0, streaming_weight=0.0), "at least one must be above 0"),
        (dict(sampling="either"), "sampling 'either'.*both, one"),
        (dict(distillation_weight=0.1, sampling="one"), "distillation_weight 0.1"),
        (dict(distillation_weight=0.1, full_weight=0.0), "distillation_weight 0.1"),
        (dict(loss=dict(entry=3)), "wav2vec2.*entry"),
    ],
)
def test_impossible_options_are_refused(conf, named):
    with pytest.raises(UserError, match=named):
        wav2vec2_model(**conf)


def test_it_is_not_trained_without_knowing_how_long():
    with pytest.raises(UserError, match="tasks/dual_mode_ssl.py"):
        wav2vec2_model().train()(*batch())


def test_another_encoder_is_refused():
    from espnet2.asr.encoder.rnn_encoder import RNNEncoder

    with pytest.raises(UserError, match="RNNEncoder"):
        wav2vec2_model(
            encoder=RNNEncoder(BINS, hidden_size=8, output_size=8, num_layers=1)
        )
