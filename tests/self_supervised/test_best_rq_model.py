"""BEST-RQ in both passes of the SSL model: targets, input, gradients, resuming."""

import copy
import io

import pytest
import torch
from ssl_small import STRUCTURED, batch, best_rq_model, train

from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.errors import UserError
from espnet_plugin.names import SPAN_MASK
from espnet_plugin.self_supervised.best_rq_loss import BestRQLoss


def drawn(model, features, lengths):
    """Return the mask and the noisy features of an evaluation, frame by frame."""
    generator = torch.Generator().manual_seed(0)
    count = model.encoder.embed.frames(lengths)
    frames = model.encoder.embed.frames(features.shape[1])
    mask = model.util_modules[SPAN_MASK](count, frames, generator)
    noise = 0.1 * torch.randn(features.shape, generator=generator)
    seen = features.clone()
    for i in range(len(mask)):
        for t in range(frames):
            if mask[i, t]:
                # conv2d: 7 frames from 4 t on, of which the middle 4 are the target.
                for k in range(4 * t + 1, 4 * t + 5):
                    seen[i, k] = noise[i, k]
    return mask, count, seen


@pytest.mark.parametrize("granularity", [STRUCTURED, ["front_end", "units"]])
def test_both_passes_predict_the_same_codes_from_the_same_noisy_input(granularity):
    model = best_rq_model(
        granularity,
        dict(codebooks=2),
        full_weight=0.7,
        streaming_weight=0.4,
        distillation_weight=0.2,
    ).eval()
    encoder, objective = model.encoder, model.losses[0].objective
    encoder.pruner.set_sparsity(1.0)
    features, lengths = batch()
    loss, stats, weight = model(features, lengths)
    mask, count, seen = drawn(model, features, lengths)
    stacked = torch.stack(
        [features[:, 4 * t + 1 : 4 * t + 5].flatten(1) for t in range(mask.shape[1])], 1
    )
    valid = torch.arange(mask.shape[1]) < count[:, None]
    targets = objective.targets(stacked, valid, mask)
    passes = {
        mode: objective.compare(encoder(seen, lengths, mode=mode)[0], targets)
        for mode in ("full", "streaming")
    }
    extra = objective.distil(passes["full"], passes["streaming"], targets)
    expected = 0.7 * passes["full"].loss + 0.4 * passes["streaming"].loss + 0.2 * extra
    assert torch.allclose(loss, expected, atol=1e-5)
    for mode, one in passes.items():
        assert torch.allclose(stats[f"loss_{mode}"], one.loss, atol=1e-5)
        assert torch.allclose(stats[f"acc_{mode}"], one.accuracy)
    assert int(weight) == int(mask.sum()) > 0
    assert not torch.allclose(passes["full"].loss, passes["streaming"].loss)
    assert "loss_diversity" not in stats and stats["perplexity"] > 1


def test_the_target_is_out_of_sight():
    """What stands behind a masked frame changes its code and nothing else."""
    model = best_rq_model(streaming_weight=0.0).eval()
    features, lengths = batch()
    mask, _, _ = drawn(model, features, lengths)
    hidden = torch.zeros(features.shape[:2], dtype=torch.bool)
    for i, t in mask.nonzero().tolist():
        hidden[i, 4 * t + 1 : 4 * t + 5] = True
    other = torch.where(hidden[..., None], batch(9)[0], features)
    seen, inputs = [], []
    hook = model.encoder.embed.register_forward_hook(
        lambda module, given, out: inputs.append(given[0])
    )
    objective = model.losses[0].objective
    objective.predict.register_forward_hook(lambda m, given, out: seen.append(given[0]))
    losses = [model(x, lengths)[0] for x in (features, other)]
    hook.remove()
    assert torch.equal(*inputs) and torch.equal(*seen) and losses[0] != losses[1]


def test_every_parameter_learns_and_the_quantiser_does_not():
    model = best_rq_model(full_weight=0.5).train()
    model.set_plan(TrainingPlan((100,)))
    model(*batch())[0].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.encoder.embed.out.weight.grad.abs().sum() > 0
    names = {name for name, _ in model.named_parameters()}
    assert not any("quantiser" in name or name == "mask_vector" for name in names)
    assert "losses.0.objective.quantiser.codes" in model.state_dict()


@pytest.mark.parametrize("sampling", ["both", "one"])
def test_a_resumed_training_goes_on_as_if_uninterrupted(sampling):
    def begin(seed=0):
        model = best_rq_model(loss=dict(seed=seed), dropout=0.1, sampling=sampling)
        model.set_plan(TrainingPlan((2,) * 5))
        return model.train(), torch.optim.SGD(model.parameters(), lr=0.1)

    whole, optim = begin()
    codes = copy.deepcopy(whole.losses[0].objective.quantiser.state_dict())
    train(whole, optim, range(10))
    half, optim = begin()
    train(half, optim, range(4))
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    file.seek(0)
    # Another seed at the beginning: the codes are those of the checkpoint.
    again, optim = begin(seed=5)
    again.load_state_dict(torch.load(file, weights_only=True), strict=True)
    train(again, optim, range(4, 10))
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    for name, value in whole.losses[0].objective.quantiser.state_dict().items():
        assert torch.equal(codes[name], value), name
    assert int(again.global_step) == 10 and again.encoder.pruner.frozen


@pytest.mark.parametrize(
    "loss, named",
    [
        (dict(entries=0), "best_rq, conf.entries 0"),
        (dict(code_size=0), "best_rq, conf.code_size 0"),
        (dict(entry=3), "best_rq, conf.entry"),
        (dict(entries="many"), "entries 'many'.*whole number"),
        (dict(noise=-1.0), "noise -1.0"),
    ],
)
def test_impossible_options_are_refused(loss, named):
    with pytest.raises(UserError, match=named):
        best_rq_model(loss=loss)


def test_specaugment_and_espnets_own_model_are_refused():
    from espnet2.asr.specaug.specaug import SpecAug

    with pytest.raises(UserError, match="specaug.*best_rq.*null"):
        best_rq_model(specaug=SpecAug(apply_time_mask=False))
    with pytest.raises(UserError, match="best_rq.*dual_mode_ssl_train"):
        BestRQLoss(8)(encoder_output=[torch.zeros(1, 2, 8)])
