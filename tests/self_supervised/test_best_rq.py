"""BEST-RQ's objective against loops; which frames count; what it can learn."""

import math

import pytest
import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.best_rq import (
    BestRQObjective,
    BestRQOptions,
    add_noise,
)
from espnet_plugin.self_supervised.masking import SpanMask

LENGTHS = torch.tensor([9, 6, 2])
VALID = torch.arange(9) < LENGTHS[:, None]
MASK = torch.tensor(
    [[0, 1, 1, 0, 0, 1, 1, 0, 0], [1, 0, 0, 1, 1, 0, 1, 1, 1], [0] * 9]
).bool()  # also where there is padding


def objective(**conf):
    torch.manual_seed(0)
    options = BestRQOptions(**{**dict(entries=6, code_size=4, seed=2), **conf})
    return BestRQObjective(8, 5, options).double()


def data(seed=1):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(3, 9, 5, generator=generator).double()
    return features, torch.randn(3, 9, 8, generator=generator).double()


def slow(module, features, encodings, valid, mask):
    """Frame by frame: loss, accuracy, the share of the commonest code, perplexity."""
    weight, bias = module.predict.weight.tolist(), module.predict.bias.tolist()
    books, entries = module.quantiser.codes.shape[:2]
    losses, right = [], []
    masked = [[0] * entries for _ in range(books)]
    everything = [[0] * entries for _ in range(books)]
    for i in range(len(features)):
        for t in range(features.shape[1]):
            if not valid[i, t]:
                continue
            codes = module.quantiser(features[i, t]).tolist()
            encoding = encodings[i, t].tolist()
            for book, code in enumerate(codes):
                everything[book][code] += 1
                if not mask[i, t]:
                    continue
                masked[book][code] += 1
                scores = [
                    sum(w * x for w, x in zip(row, encoding)) + b
                    for row, b in zip(
                        weight[book * entries : (book + 1) * entries],
                        bias[book * entries : (book + 1) * entries],
                    )
                ]
                total = sum(math.exp(score) for score in scores)
                losses.append(math.log(total) - scores[code])
                right.append(max(scores) == scores[code])
    chance = sum(max(row) / sum(row) for row in masked) / books
    entropies = [
        -sum(n / sum(row) * math.log(n / sum(row)) for n in row if n)
        for row in everything
    ]
    used = sum(math.exp(entropy) for entropy in entropies) / books
    return sum(losses) / len(losses), sum(right) / len(right), chance, used


@pytest.mark.parametrize("codebooks", [1, 3])
def test_against_loops(codebooks):
    module = objective(codebooks=codebooks)
    features, encodings = data()
    targets = module.targets(features, VALID, MASK)
    found = module.compare(encodings, targets)
    loss, accuracy, chance, used = slow(module, features, encodings, VALID, MASK)
    assert found.loss.item() == pytest.approx(loss)
    assert found.accuracy.item() == pytest.approx(accuracy)
    assert targets.stats["chance"].item() == pytest.approx(chance)
    assert targets.stats["perplexity"].item() == pytest.approx(used)
    assert int(targets.usable.sum()) == int((MASK & VALID).sum()) == 7


def test_frames_that_are_not_masked_give_no_gradient():
    module = objective()
    features, encodings = data()
    encodings.requires_grad_()
    module.compare(encodings, module.targets(features, VALID, MASK)).loss.backward()
    reached = encodings.grad.abs().sum(2) > 0
    assert torch.equal(reached, MASK & VALID)
    assert module.predict.weight.grad.abs().sum() > 0


def test_what_is_not_masked_or_padding_changes_no_loss():
    module = objective()
    features, encodings = data()
    before = module.compare(encodings, module.targets(features, VALID, MASK)).loss
    counts = (MASK & VALID)[..., None]
    others, more = data(5)
    features = torch.where(counts, features, others)
    encodings = torch.where(counts, encodings, more)
    after = module.compare(encodings, module.targets(features, VALID, MASK)).loss
    assert torch.allclose(before, after)


def test_training_changes_the_prediction_but_no_code():
    module = objective(codebooks=2)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    optim = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.1)
    features, encodings = data()
    targets = module.targets(features, VALID, MASK)
    for _ in range(20):
        optim.zero_grad()
        module.compare(encodings, targets).loss.backward()
        optim.step()
    for name, value in module.state_dict().items():
        frozen = name.startswith("quantiser.")
        assert torch.equal(value, before[name]) == frozen, name
    assert torch.equal(module.targets(features, VALID, MASK).codes, targets.codes)


def test_distillation_is_a_divergence_that_teaches_one_side():
    module = objective(codebooks=2)
    features, encodings = data()
    targets = module.targets(features, VALID, MASK)
    one = module.compare(encodings, targets)
    other = module.compare(2 * encodings, targets)
    assert module.distil(one, one, targets).item() == pytest.approx(0.0, abs=1e-12)
    # By hand, over frames and codebooks.
    divergences = []
    for i, s in targets.usable.nonzero().tolist():
        for book in range(2):
            p, q = (x.logits[i, s, book].softmax(-1).tolist() for x in (one, other))
            divergences.append(sum(a * math.log(a / b) for a, b in zip(p, q)))
    mean = sum(divergences) / len(divergences)
    assert module.distil(one, other, targets).item() == pytest.approx(mean, rel=1e-5)
    dense, sparse = (encodings.clone().requires_grad_() for _ in range(2))
    passes = module.compare(dense, targets), module.compare(2 * sparse, targets)
    module.distil(*passes, targets).backward()
    assert dense.grad is None and sparse.grad.abs().sum() > 0


def test_masked_features_are_noise_and_the_others_unchanged():
    features = torch.full((4, 500, 20), 7.0)
    mask = torch.rand(4, 500, generator=torch.manual_seed(0)) < 0.3
    noisy = add_noise(features, mask, 0.1, torch.Generator().manual_seed(1))
    assert torch.equal(noisy[~mask], features[~mask]) and (features == 7.0).all()
    noise = noisy[mask]
    error = 0.1 / math.sqrt(noise.numel())
    assert abs(noise.mean().item()) < 4 * error
    assert noise.std().item() == pytest.approx(0.1, abs=4 * error)
    again = add_noise(features, mask, 0.1, torch.Generator().manual_seed(1))
    assert torch.equal(noisy, again)
    assert (add_noise(features, mask, 0.0)[mask] == 0).all()


def test_no_masked_frame_and_frames_of_another_width_are_refused():
    module = objective()
    features, _ = data()
    with pytest.raises(UserError, match=r"\[9, 6, 2\] encoder frames: no frame.*span"):
        module.targets(features, VALID, MASK & ~VALID)
    # One masked frame is enough.
    one = torch.zeros_like(MASK)
    one[0, 3] = True
    assert int(module.targets(features, VALID, one).usable.sum()) == 1
    with pytest.raises(UserError, match="have 4 values.*made for 5"):
        module.targets(features[..., :4], VALID, MASK)


@pytest.mark.parametrize(
    "conf, named",
    [
        (dict(codebooks=0), "codebooks 0"),
        (dict(entries=1), "entries 1"),
        (dict(code_size=-2), "code_size -2"),
        (dict(noise=-0.1), "noise -0.1"),
        (dict(noise=math.nan), "noise nan"),
        (dict(seed=-1), "seed -1"),
    ],
)
def test_impossible_options_are_refused(conf, named):
    with pytest.raises(UserError, match=f"^{named}"):
        BestRQOptions(**conf)


def learn(shuffled, steps=150):
    """Return accuracy and chance on new sequences of slowly moving vectors."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    module = BestRQObjective(16, 4, BestRQOptions(entries=8, code_size=3, seed=1))
    around = nn.Sequential(
        nn.Conv1d(4, 16, 9, padding=4), nn.ReLU(), nn.Conv1d(16, 16, 1)
    )
    optim = torch.optim.Adam([*module.parameters(), *around.parameters()], lr=0.01)
    spans, lengths = SpanMask(0.1, 3), torch.full((16,), 32)
    valid = torch.ones(16, 32, dtype=torch.bool)

    def step():
        steps_of = 0.4 * torch.randn(16, 32, 4, generator=generator)
        x = torch.randn(16, 1, 4, generator=generator) + steps_of.cumsum(1)
        mask = spans(lengths, 32, generator)
        seen = add_noise(x, mask, 0.1, generator)
        if shuffled:
            x = x[torch.randperm(16, generator=generator)]
        targets = module.targets(x, valid, mask)
        encodings = around(seen.transpose(1, 2)).transpose(1, 2)
        return module.compare(encodings, targets), targets

    for _ in range(steps):
        optim.zero_grad()
        step()[0].loss.backward()
        optim.step()
    with torch.no_grad():
        figures = [(p.accuracy, t.stats["chance"]) for p, t in (step() for _ in "0123")]
    return [float(value) for value in torch.tensor(figures).mean(0)]


def test_it_learns_from_the_context_and_nothing_where_targets_are_shuffled():
    accuracy, chance = learn(shuffled=False)
    assert accuracy > 1.5 * chance
    accuracy, chance = learn(shuffled=True)
    assert accuracy < 1.2 * chance
