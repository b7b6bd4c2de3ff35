"""BEST-RQ in both passes of the SSL model: targets, input, gradients, resuming."""

import copy
import io

import pytest
import torch
from dual_small import BINS, small_encoder

from espnet_plugin.dual_mode.plan import TrainingPlan
from espnet_plugin.errors import UserError
from espnet_plugin.names import SPAN_MASK
from espnet_plugin.self_supervised.best_rq_loss import BestRQLoss
from espnet_plugin.self_supervised.masking import SpanMask
from espnet_plugin.self_supervised.model import ESPnetDualModeSSLModel

STRUCTURED = ["heads", "units", "channels"]
LENGTHS = torch.tensor([90, 61, 75])


def build(granularity=STRUCTURED, loss=None, dropout=0.0, specaug=None, **conf):
    encoder = small_encoder(
        dropout_rate=dropout,
        positional_dropout_rate=dropout,
        chunk_frames=[4, 3],
        pruning=dict(granularity=granularity, sparsity=0.5, every=1, end=0.9),
    ).float()
    small = dict(entries=6, code_size=4)
    return ESPnetDualModeSSLModel(
        frontend=None,
        specaug=specaug,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        losses=[BestRQLoss(8, **{**small, **(loss or {})})],
        util_attributes={SPAN_MASK},
        required_inputs=set(),
        util_modules=torch.nn.ModuleDict({SPAN_MASK: SpanMask(0.1, 3)}),
        token_list=[],
        **conf,
    )


def batch(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 90, BINS, generator=generator), LENGTHS


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
    model = build(
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
    model = build(streaming_weight=0.0).eval()
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
    model = build(full_weight=0.5).train()
    model.plan(TrainingPlan((100,)))
    model(*batch())[0].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.encoder.embed.out.weight.grad.abs().sum() > 0
    names = {name for name, _ in model.named_parameters()}
    assert not any("quantiser" in name or name == "mask_vector" for name in names)
    assert "losses.0.objective.quantiser.codes" in model.state_dict()


def test_the_streaming_pass_teaches_kept_weights_only():
    for full, expected in ((0.0, False), (0.5, True)):
        model = build(full_weight=full).train()
        model.plan(TrainingPlan((100,)))
        model.encoder.pruner.set_sparsity(1.0)
        model.encoder.pruner.frozen.fill_(1)
        model(*batch())[0].backward()
        masked = []
        for _, groups, mask in model.encoder.pruner.masks():
            for owner, name, spread in groups.spread(mask):
                gradient = getattr(owner, name).grad
                masked.append(gradient[~spread.expand_as(gradient).bool()])
        assert bool(torch.cat(masked).abs().sum() > 0) == expected


def train(model, optim, steps):
    for number in steps:
        torch.manual_seed(number)  # ESPnet's trainer seeds every epoch
        optim.zero_grad()
        model(*batch(number))[0].backward()
        optim.step()


@pytest.mark.parametrize("sampling", ["both", "one"])
def test_a_resumed_training_goes_on_as_if_uninterrupted(sampling):
    def begin(seed=0):
        model = build(loss=dict(seed=seed), dropout=0.1, sampling=sampling)
        model.plan(TrainingPlan((2,) * 5))
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


def test_evaluation_draws_the_same_each_time_and_moves_nothing():
    model = build().eval()
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    one = model(*batch())[0]
    model(*batch(2))
    assert torch.equal(model(*batch())[0], one)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value)


def test_an_utterance_shorter_than_a_span_is_skipped():
    model = build().eval()
    features, _ = batch()
    _, stats, weight = model(features, torch.tensor([90, 12, 3]))
    assert torch.isfinite(stats["loss"]) and 0 < int(weight) <= 21


@pytest.mark.parametrize(
    "frames, lengths, named",
    [
        (90, [12, 12, 3], "three.*encoder frames: no frame is masked; remove"),
        (5, [5, 5, 3], "three.*too short"),
    ],
)
def test_a_batch_without_a_masked_frame_is_refused(frames, lengths, named):
    features, _ = batch()
    with pytest.raises(UserError, match=named):
        lengths = torch.tensor(lengths)
        build().eval()(features[:, :frames], lengths, utt_id=["one", "two", "three"])


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
        build(loss=loss)


def test_specaugment_and_espnets_own_model_are_refused():
    from espnet2.asr.specaug.specaug import SpecAug

    with pytest.raises(UserError, match="specaug.*best_rq.*null"):
        build(specaug=SpecAug(apply_time_mask=False))
    with pytest.raises(UserError, match="best_rq.*dual_mode_ssl_train"):
        BestRQLoss(8)(encoder_output=[torch.zeros(1, 2, 8)])
