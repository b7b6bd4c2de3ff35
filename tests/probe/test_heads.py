"""Probes: the CTC loss against all alignments, padding, seeds, standardised inputs."""

import itertools
import math

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.probe.heads import LayerProbes, LinearProbe


def outputs(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_loss(log_probs, target):
    """Sum over every path of frames that collapses to the target."""
    frames, tokens = len(log_probs), len(log_probs[0])
    total = 0.0
    for path in itertools.product(range(tokens), repeat=frames):
        collapsed = [
            token
            for place, token in enumerate(path)
            if token and (place == 0 or path[place - 1] != token)
        ]
        if collapsed == list(target):
            total += math.exp(sum(row[token] for row, token in zip(log_probs, path)))
    return -math.log(total)


def test_losses_are_those_of_all_alignments():
    probes = LayerProbes([5, 4], 3).eval()
    layers = [outputs(2, 5, 5), outputs(2, 5, 4, seed=1)]
    lengths, targets = torch.tensor([5, 3]), [[1, 1, 2], [2]]
    found = probes.losses(layers, lengths, [torch.tensor(one) for one in targets])
    for probe, layer, loss in zip(probes, layers, found.tolist()):
        expected = 0.0
        for row, length, target in zip(layer, lengths, targets):
            logits = probe.project(probe.standardise(row[:length]))
            expected += slow_loss(logits.log_softmax(-1).tolist(), target)
        assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(training):
    probe = LinearProbe(4, 6).train(training)
    x, lengths = outputs(3, 7, 4), torch.tensor([7, 2, 5])
    before = probe(x, lengths)
    other = x.clone()
    for row, length in zip(other, lengths):
        row[length:] = 1000.0
    probe.standardise.reset_running_stats()
    after = probe(torch.nn.functional.pad(other, (0, 0, 0, 3)), lengths)
    for i, length in enumerate(lengths):
        assert torch.allclose(before[i, :length], after[i, :length])


def test_a_layers_scale_does_not_matter():
    torch.manual_seed(0)
    x, lengths = outputs(3, 7, 4), torch.full((3,), 7)
    probe = LinearProbe(4, 6).train()
    small = probe(x, lengths)
    large = probe(1000.0 * x + 50.0, lengths)
    assert torch.allclose(small, large, atol=1e-3)


def test_afterwards_it_is_affine():
    """The probe finds what is in a layer, and computes nothing of its own."""
    probe = LinearProbe(4, 6).train()
    lengths = torch.full((3,), 7)
    probe(3.0 * outputs(3, 7, 4) + 1.0, lengths)
    probe.eval()
    a, b = outputs(3, 7, 4, seed=1), outputs(3, 7, 4, seed=2)

    def logits(x):
        return probe.project(probe.standardise(x.flatten(0, 1)))

    middle = logits(0.3 * a + 0.7 * b)
    assert torch.allclose(middle, 0.3 * logits(a) + 0.7 * logits(b), atol=1e-5)


def test_all_layers_begin_alike_and_torchs_state_is_not_touched():
    state = torch.get_rng_state()
    probes = LayerProbes([4, 4], 6, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    one, two = (probe.project.weight for probe in probes)
    assert torch.equal(one, two)
    other = LayerProbes([4], 6, seed=4)[0].project.weight
    assert not torch.equal(one, other)


def test_sizes_without_sense_are_refused():
    with pytest.raises(UserError, match="width 0"):
        LinearProbe(0, 5)
    with pytest.raises(UserError, match="1 tokens"):
        LinearProbe(4, 1)
