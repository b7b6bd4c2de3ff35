"""Behaviour of the SSL model that its two losses share."""

import copy

import pytest
import torch
from ssl_small import batch, best_rq_model, kept_and_masked, wav2vec2_model

from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.errors import UserError

both_losses = pytest.mark.parametrize("build", [wav2vec2_model, best_rq_model])


@both_losses
def test_the_streaming_pass_teaches_kept_weights_only(build):
    for full, expected in ((0.0, False), (0.5, True)):
        model = build(full_weight=full).train()
        model.set_plan(TrainingPlan((100,)))
        model.encoder.pruner.set_sparsity(1.0)
        model.encoder.pruner.frozen.fill_(1)
        model(*batch())[0].backward()
        kept, masked = kept_and_masked(model)
        assert kept.abs().sum() > 0
        assert bool(masked.abs().sum() > 0) == expected


@both_losses
def test_evaluation_draws_the_same_each_time_and_moves_nothing(build):
    model = build().eval()
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    one = model(*batch())[0]
    model(*batch(2))
    assert torch.equal(model(*batch())[0], one)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value)


@both_losses
def test_an_utterance_shorter_than_a_span_is_skipped(build):
    model = build().eval()
    features, _ = batch()
    _, stats, weight = model(features, torch.tensor([90, 12, 3]))
    assert torch.isfinite(stats["loss"]) and 0 < int(weight) <= 21


@both_losses
@pytest.mark.parametrize(
    "frames, lengths, named",
    [
        (90, [12, 12, 3], "three.*encoder frames: no.* masked.*; remove"),
        (5, [5, 5, 3], "three.*too short"),
    ],
)
def test_a_batch_without_a_masked_frame_is_refused(build, frames, lengths, named):
    features, _ = batch()
    with pytest.raises(UserError, match=named):
        lengths = torch.tensor(lengths)
        build().eval()(features[:, :frames], lengths, utt_id=["one", "two", "three"])
