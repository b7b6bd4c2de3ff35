"""The quantiser: hard choices, soft gradients, known diversity losses, temperature."""

import math

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.quantiser import (
    GumbelQuantiser,
    diversity_loss,
    gumbel_temperature,
)


def quantiser(**sizes):
    torch.manual_seed(0)
    sizes = {**dict(codebooks=2, entries=5, code_size=6), **sizes}
    return GumbelQuantiser(7, 4, **sizes)


def frames(seed=1):
    return torch.randn(3, 11, 7, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("training", [True, False])
def test_a_vector_is_the_projection_of_the_entries_chosen(training):
    module = quantiser().train(training)
    out = module(frames())
    assert out.choices.shape == (3, 11, 2)
    for i in range(3):
        for t in range(11):
            one, two = out.choices[i, t].tolist()
            joined = torch.cat([module.codes[0, one], module.codes[1, two]])
            expected = module.project(joined)
            assert torch.allclose(out.vectors[i, t], expected, atol=1e-6)


def test_without_noise_the_likeliest_entry_is_chosen():
    module = quantiser()
    module.norm.momentum = 1.0
    x = frames()
    module.train()(x)  # notes the statistics of all 33 frames
    module.eval()
    out = module(x)
    mean, spread = x.mean((0, 1)), x.std((0, 1))
    logits = (x - mean) / spread @ module.logits.weight.T
    expected = logits.view(3, 11, 2, 5).softmax(-1)
    assert torch.allclose(out.probabilities, expected, atol=1e-4)
    assert torch.equal(out.choices, expected.argmax(-1))
    assert torch.equal(module(x).vectors, out.vectors)


def test_noise_chooses_by_the_probabilities():
    module = quantiser(codebooks=1, entries=3).train()
    with torch.no_grad():
        module.logits.weight.mul_(0.3)
    module.norm.eval()
    one = frames()[:1, :1]
    torch.manual_seed(0)
    out = module(one.expand(1, 20000, 7))
    found = torch.bincount(out.choices.flatten(), minlength=3) / 20000
    # Four standard deviations of a share of 20000.
    assert torch.allclose(found, out.probabilities[0, 0, 0], atol=4 * 0.5 / 20000**0.5)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_gradients_are_those_of_the_soft_choice(temperature):
    module = quantiser(codebooks=1, entries=5).train()
    module.temperature = temperature
    x = frames().requires_grad_()
    torch.manual_seed(3)
    module(x).vectors.square().sum().backward()
    got, weights = x.grad.clone(), module.logits.weight.grad.clone()
    assert got.abs().sum() > 0 and module.codes.grad.abs().sum() > 0
    # By hand: the gradient at the hard vector, through the softmax of the same noise.
    x2 = x.detach().requires_grad_()
    logits = module.logits(module.norm(x2.flatten(0, 1)).view(x2.shape))
    torch.manual_seed(3)
    noise = -torch.empty(3, 11, 1, 5).exponential_().log()[:, :, 0]
    noisy = logits + noise
    soft = (noisy / temperature).softmax(-1)
    hard = torch.nn.functional.one_hot(noisy.argmax(-1), 5).float()
    vectors = (hard @ module.codes[0]).detach().requires_grad_()
    module.project(vectors).square().sum().backward()
    (soft @ module.codes[0].detach() * vectors.grad).sum().backward()
    assert torch.allclose(got, x2.grad, atol=1e-5)
    module.logits.weight.grad -= weights
    assert torch.allclose(module.logits.weight.grad, weights, atol=1e-4)


def test_gradients_reach_nothing_in_evaluation_but_the_entries():
    module = quantiser().eval()
    module(frames()).vectors.sum().backward()
    assert module.logits.weight.grad is None and module.codes.grad.abs().sum() > 0


def test_diversity_losses_known_beforehand():
    uniform = torch.full((2, 4), 0.25)
    collapsed = torch.zeros(2, 4)
    collapsed[:, 1] = 1.0
    half = torch.tensor([[0.5, 0.5, 0.0, 0.0]] * 2)
    assert diversity_loss(uniform).item() == pytest.approx(0.0, abs=1e-6)
    assert diversity_loss(collapsed).item() == pytest.approx(1 - 1 / 4)
    assert diversity_loss(half).item() == pytest.approx(1 - 2 / 4)
    mixed = torch.stack([uniform[0], collapsed[0]])
    assert diversity_loss(mixed).item() == pytest.approx(1 - (4 + 1) / 8)


def test_diversity_loss_spreads_the_choice_when_descended():
    module = quantiser()
    with torch.no_grad():
        module.logits.bias[0] = module.logits.bias[5] = 20.0  # collapsed
    optim = torch.optim.Adam(module.parameters(), lr=0.3)
    losses = []
    for _ in range(80):
        loss = diversity_loss(module(frames()).probabilities.mean((0, 1)))
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(loss.item())
    assert losses[0] > 0.79 and losses[-1] < 0.1


def test_temperature_by_hand():
    assert gumbel_temperature(0) == 2.0
    assert gumbel_temperature(1000, decay=0.999) == pytest.approx(2 * 0.999**1000)
    assert gumbel_temperature(10**6, decay=0.999) == 0.5
    # The paper's own factor, where the length is not known.
    assert gumbel_temperature(100000) == pytest.approx(2 * 0.999995**100000)
    # Half way down, in the logarithm, at 0.35 of the updates.
    assert gumbel_temperature(35, 100) == pytest.approx(math.sqrt(2.0 * 0.5))
    assert gumbel_temperature(70, 100) == pytest.approx(0.5)
    assert gumbel_temperature(99, 100) == 0.5


@pytest.mark.parametrize(
    "conf",
    [dict(start=0.0), dict(end=0.0), dict(end=-1.0), dict(start=0.4), dict(decay=0.0)]
    + [dict(decay=1.1), dict(start=math.nan)],
)
def test_impossible_temperatures_are_refused(conf):
    with pytest.raises(UserError, match="emperature|decay"):
        gumbel_temperature(3, 10, **conf)


@pytest.mark.parametrize(
    "sizes, named",
    [
        (dict(codebooks=0), "codebooks 0"),
        (dict(entries=1), "entries 1"),
        (dict(codebooks=4, code_size=6), "code_size 6"),
        (dict(code_size=0), "code_size 0"),
    ],
)
def test_impossible_sizes_are_refused(sizes, named):
    with pytest.raises(UserError, match=named):
        quantiser(**sizes)
