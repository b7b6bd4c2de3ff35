"""Self-pinching gates against their formula and a hand-made case."""

import pytest
import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.gates import GatePruner


def make(**options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    modules = [("0", model[0]), ("2", model[2])]
    return model, GatePruner(modules, **{"sparsity": 0.5, **options})


def test_forward_is_binary_and_backward_is_the_sigmoids():
    model, _ = make(threshold=0.2, temperature=(0.3, 0.3))
    weight, threshold = model[0].weight_orig, model[0].weight_threshold
    model(torch.zeros(1, 6))
    masked = model[0].weight
    expected = torch.where(weight.abs() >= 0.2, weight, torch.zeros(()))
    assert torch.equal(masked, expected)
    upstream = torch.randn_like(weight)
    (masked * upstream).sum().backward()
    # By hand: d(W M)/dW = M + W * s (1 - s) * 2 W / tau, d(W M)/dt alike with -2 t.
    w = weight.detach()
    s = torch.sigmoid((w**2 - 0.04) / 0.3)
    slope = s * (1 - s) / 0.3
    hard = (w.abs() >= 0.2).float()
    assert torch.allclose(weight.grad, upstream * (hard + w * slope * 2 * w), atol=1e-6)
    by_hand = (upstream * w * slope * -0.4).sum()
    # The parameter is ten times the threshold.
    assert torch.allclose(threshold, torch.tensor(2.0))
    assert torch.allclose(threshold.grad, by_hand / 10, atol=1e-6)


def test_the_penalty_counts_what_is_kept():
    model, pruner = make(threshold=0.2, eta=0.5, sparsity=0.8)
    kept = sum(int((m.weight_orig.abs() >= 0.2).sum()) for m in (model[0], model[2]))
    assert 0.2 * 56 < kept < 56  # else the target is met
    assert pruner.penalty().item() == pytest.approx(0.5 * kept)
    assert pruner.sparsity == pytest.approx(1 - kept / 56)


def test_training_reaches_the_target_and_stops_pulling():
    model, pruner = make(sparsity=0.6, eta=0.01, temperature=(0.5, 0.01))
    optim = torch.optim.AdamW(model.parameters(), lr=0.02)
    for update in range(300):
        pruner.step(update, 300)
        x = torch.randn(16, 6)
        loss = (model(x)[:, 0] - x[:, 0]).square().mean()
        penalty = pruner.penalty()
        optim.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optim.step()
    assert pruner.sparsity >= 0.55
    if pruner.final:
        assert pruner.penalty() is None
    plain = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    plain.load_state_dict(GatePruner.plain_state(model.state_dict()))
    x = torch.randn(5, 6)
    with torch.no_grad():
        assert torch.equal(plain(x), model(x))
    zeros = sum(int((m.weight == 0).sum()) for m in (plain[0], plain[2]))
    assert zeros / 56 == pytest.approx(pruner.sparsity)


def test_momentum_carries_the_thresholds_not_far_past_the_target():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 80), nn.Tanh(), nn.Linear(80, 1))
    pruner = GatePruner([("0", model[0]), ("2", model[2])], sparsity=0.6, eta=1e-4)
    optim = torch.optim.AdamW(model.parameters(), lr=0.002)
    seen = []
    for update in range(400):
        pruner.step(update, 400)
        x = torch.randn(16, 40)
        loss = (model(x)[:, 0] - x[:, 0]).square().mean()
        penalty = pruner.penalty()
        optim.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optim.step()
        seen.append(pruner.sparsity)
    # With thresholds as fast as weights it goes above 0.8.
    assert 0.58 <= max(seen) <= 0.75


def test_the_sigmoid_cools_by_a_cosine():
    model, pruner = make(temperature=(0.5, 0.1))
    seen = []
    for update in (0, 25, 50, 100):
        pruner.step(update, 100)
        seen.append(pruner.temperature)
    assert seen == pytest.approx([0.5, 0.1 + 0.4 * 0.8535534, 0.3, 0.1])


@pytest.mark.parametrize("options", [{"eta": 0}, {"threshold": 0}, {"sparsity": 1.0}])
def test_bad_options(options):
    with pytest.raises(UserError):
        make(**options)
