"""wav2vec 2.0's objective: what it may not depend on, and that it teaches."""

import math

import pytest
import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.masking import SpanMask
from espnet_plugin.self_supervised.wav2vec2 import Wav2Vec2Objective

CONF = dict(project_size=6, codebooks=2, entries=4, code_size=6, distractors=5)


def objective(**conf):
    torch.manual_seed(0)
    return Wav2Vec2Objective(8, **{**CONF, **conf}).double().eval()


def valid_frames(lengths, frames):
    return torch.arange(frames) < torch.tensor(lengths)[:, None]


def loss_of(module, features, encodings, valid, mask, distractors=None):
    targets = module.targets(features, valid, mask)
    if distractors is not None:
        same = targets.same.new_zeros(distractors.shape)
        targets = type(targets)(
            **{**vars(targets), "distractors": distractors, "same": same}
        )
    return module.compare(encodings, targets), targets


def test_padding_and_the_order_of_the_batch_change_nothing():
    module = objective()
    lengths = [12, 20, 9]
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(3, 20, 8, generator=generator).double()
    encodings = torch.randn(3, 20, 8, generator=generator).double()
    valid = valid_frames(lengths, 20)
    mask = SpanMask(0.2, 3)(torch.tensor(lengths), 20, generator)
    contrast, targets = loss_of(module, features, encodings, valid, mask)

    def changed(x, order, more):
        x = torch.where(valid[..., None], x, torch.full_like(x, 50.0))[order]
        return nn.functional.pad(x, (0, 0, 0, more), value=-9.0)

    order = torch.tensor([2, 0, 1])
    again, other = loss_of(
        module,
        changed(features, order, 4),
        changed(encodings, order, 4),
        nn.functional.pad(valid[order], (0, 4)),
        # True on padding: what is not valid is not masked.
        nn.functional.pad(mask[order], (0, 4), value=True),
        targets.distractors[order],
    )
    assert torch.allclose(again.loss, contrast.loss)
    assert torch.allclose(other.diversity, targets.diversity)
    for name in targets.stats:
        if name == "perplexity":
            assert torch.allclose(other.stats[name], targets.stats[name])
    # One by one: the mean over all frames is that of the utterances' means.
    total = 0.0
    for i, length in enumerate(lengths):
        part = slice(i, i + 1)
        slots = int(mask[i].sum())
        one, _ = loss_of(
            module,
            features[part, :length],
            encodings[part, :length],
            valid[part, :length],
            mask[part, :length],
            targets.distractors[part, :slots],
        )
        total = total + one.loss * slots
    assert torch.allclose(total / mask.sum(), contrast.loss)


def test_diversity_is_of_the_average_over_valid_frames():
    module = objective()
    features = torch.randn(2, 10, 8).double()
    valid = valid_frames([10, 6], 10)
    mask = valid_frames([4, 3], 10)
    targets = module.targets(features, valid, mask)
    average, count = torch.zeros(2, 4).double(), 0
    for i, length in enumerate([10, 6]):
        for t in range(length):
            x = module.quantiser.norm(features[i, t][None])
            average += module.quantiser.logits(x).view(2, 4).softmax(1)
            count += 1
    average = (average / count).detach()
    used = sum(math.exp(-sum(p * math.log(p) for p in row)) for row in average.tolist())
    assert targets.diversity.item() == pytest.approx((8 - used) / 8, rel=1e-5)


def test_equal_candidates_can_be_left_out():
    features = torch.randn(1, 9, 8).double()
    features[0, 1] = features[0, 0]  # the same codes, whatever the quantiser
    encodings = torch.randn(1, 9, 8).double()
    valid = torch.ones(1, 9, dtype=torch.bool)
    mask = valid_frames([3], 9)
    kept, dropped = objective(), objective(drop_equal=True)
    torch.manual_seed(2)
    with_equal = kept.compare(encodings, kept.targets(features, valid, mask))
    torch.manual_seed(2)
    targets = dropped.targets(features, valid, mask)
    without = dropped.compare(encodings, targets)
    assert targets.same[0, 0].any() and not targets.same[0, 0].all()
    logits = with_equal.logits[0, 0].tolist()
    left = [x for x, s in zip(logits[1:], targets.same[0, 0].tolist()) if not s]
    expected = math.log(sum(math.exp(x) for x in [logits[0], *left])) - logits[0]
    got = without.logits[0, 0].logsumexp(0) - without.logits[0, 0, 0]
    assert got.item() == pytest.approx(expected, rel=1e-5)
    assert without.accuracy == with_equal.accuracy
    assert torch.isfinite(dropped.distil(without, without, targets))


def test_distillation_is_a_divergence_that_teaches_one_side():
    module = objective()
    features = torch.randn(2, 9, 8).double()
    valid, mask = valid_frames([9, 8], 9), valid_frames([4, 3], 9)
    targets = module.targets(features, valid, mask)
    dense = torch.randn(2, 9, 8).double().requires_grad_()
    sparse = torch.randn(2, 9, 8).double().requires_grad_()
    one, two = module.compare(dense, targets), module.compare(sparse, targets)
    assert module.distil(one, one, targets).item() == pytest.approx(0.0, abs=1e-7)
    loss = module.distil(one, two, targets)
    expected, count = 0.0, 0
    for i, slots in enumerate((4, 3)):
        for slot in range(slots):
            p = one.logits[i, slot].softmax(0).tolist()
            q = two.logits[i, slot].softmax(0).tolist()
            expected += sum(a * math.log(a / b) for a, b in zip(p, q))
            count += 1
    assert loss.item() == pytest.approx(expected / count, rel=1e-4)
    loss.backward()
    assert dense.grad is None and sparse.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "conf, named",
    [
        (dict(temperature=0.0), "temperature 0.0"),
        (dict(temperature=-0.1), "temperature -0.1"),
        (dict(temperature=math.nan), "temperature nan"),
        (dict(distractors=0), "distractors 0"),
        (dict(project_size=0), "project_size 0"),
        (dict(diversity_weight=-1.0), "diversity_weight -1.0"),
        (dict(codebooks=0), "codebooks 0"),
        (dict(gumbel_end=0.0), "Gumbel temperature"),
    ],
)
def test_impossible_options_are_refused(conf, named):
    with pytest.raises(UserError, match=named):
        objective(**conf)


def test_nothing_to_tell_apart_and_features_of_another_width_are_refused():
    module = objective()
    valid = valid_frames([4, 2], 4)
    features = torch.zeros(2, 4, 8).double()
    with pytest.raises(UserError, match=r"\[4, 2\] encoder frames.*span_frames"):
        module.targets(features, valid, torch.zeros_like(valid))
    with pytest.raises(UserError, match="no distractors"):
        module.targets(features, valid, valid_frames([1, 1], 4))
    with pytest.raises(UserError, match="target_size 8.*5 values"):
        module.targets(features[..., :5], valid, valid)


def sounds(generator, batch=16, frames=32):
    """Each stretch of eight frames is one of six sounds, with some noise."""
    shapes = torch.randn(6, 8, generator=torch.Generator().manual_seed(0)) * 2
    kinds = torch.randint(6, (batch, frames // 8), generator=generator)
    x = shapes[kinds].repeat_interleave(8, 1)
    return x + 0.2 * torch.randn(x.shape, generator=generator)


def train(steps, shuffled):
    """Guess from the frames around; return loss and accuracy on unseen sounds."""
    torch.manual_seed(0)
    conf = dict(project_size=8, entries=8, code_size=8, distractors=10)
    module = Wav2Vec2Objective(16, 8, **conf)
    around = nn.Sequential(
        nn.Conv1d(8, 16, 9, padding=4), nn.ReLU(), nn.Conv1d(16, 16, 1)
    )
    parameters = [*module.parameters(), *around.parameters()]
    optim = torch.optim.Adam(parameters, lr=0.01)
    spans, generator = SpanMask(0.1, 3), torch.Generator().manual_seed(1)
    valid = torch.ones(16, 32, dtype=torch.bool)
    lengths = torch.full((16,), 32)

    def step():
        x = sounds(generator)
        mask = spans(lengths, 32)
        encodings = around(
            x.masked_fill(mask[..., None], 0.0).transpose(1, 2)
        ).transpose(1, 2)
        for row in range(16 if shuffled else 0):
            places = mask[row].nonzero()[:, 0]
            order = torch.randperm(len(places), generator=generator)
            x[row, places] = x[row, places[order]]
        targets = module.targets(x, valid, mask)
        return module.compare(encodings, targets), targets

    for number in range(steps):
        module.set_update(number, steps)
        contrast, targets = step()
        loss = contrast.loss + module.diversity_weight * targets.diversity
        optim.zero_grad()
        loss.backward()
        optim.step()
    module.eval()
    with torch.no_grad():
        figures = []
        for _ in range(8):
            contrast, targets = step()
            chance = targets.stats["chance"]
            figures.append([contrast.loss, contrast.accuracy, chance])
    return [float(value) for value in torch.tensor(figures).mean(0)]


def test_it_learns_sounds_and_nothing_where_targets_are_shuffled():
    loss, accuracy, chance = train(150, shuffled=False)
    assert 1 / 11 < chance < 0.2
    assert loss < math.log(11) - 0.5
    assert accuracy > 1.5 * chance
    loss, accuracy, chance = train(150, shuffled=True)
    assert loss > math.log(11) - 0.1
    assert accuracy < 1.2 * chance
