"""In-place distillation against loops over frames and lattice nodes."""

import math

import pytest
import torch

from espnet_plugin.dual_mode.in_place import divergence_by_frame, lattice_divergence

LENGTHS = torch.tensor([5, 3])


def random(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def kl(p, q):
    """Divergence of two lists of probabilities, in nats."""
    return sum(a * math.log(a / b) for a, b in zip(p, q) if a > 0)


def softmax(row, temperature=1.0):
    row = [math.exp(float(value) / temperature) for value in row]
    return [value / sum(row) for value in row]


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_by_frame(delay, temperature):
    ours = random(2, 5, 4, seed=0).log_softmax(-1)
    theirs = random(2, 5, 4, seed=1).log_softmax(-1)
    slow = 0.0
    for b, length in enumerate(LENGTHS.tolist()):
        for t in range(length - delay):
            p = softmax(theirs[b, t], temperature)
            q = softmax(ours[b, t + delay], temperature)
            slow += kl(p, q) * temperature**2 / 2
    value = divergence_by_frame(ours, theirs, LENGTHS, delay, temperature)
    assert value.item() == pytest.approx(slow, rel=1e-9)


def test_padding_counts_nothing_and_the_full_pass_learns_nothing():
    ours = random(2, 5, 4, seed=0).log_softmax(-1).requires_grad_()
    theirs = random(2, 5, 4, seed=1).log_softmax(-1).requires_grad_()
    value = divergence_by_frame(ours, theirs, LENGTHS)
    value.backward()
    assert theirs.grad is None
    assert torch.equal(ours.grad[1, 3:], torch.zeros(2, 4, dtype=torch.float64))
    other = ours.detach().clone()
    other[1, 3:] = float("nan")
    assert divergence_by_frame(other, theirs, LENGTHS).item() == value.item()
    assert divergence_by_frame(theirs, theirs, LENGTHS).item() == pytest.approx(0.0)


def test_a_longer_delay_than_an_utterance_leaves_it_out():
    ours, theirs = (random(2, 5, 4, seed=s).log_softmax(-1) for s in (0, 1))
    both = divergence_by_frame(ours, theirs, LENGTHS, delay_frames=4)
    first = divergence_by_frame(ours[:1], theirs[:1], LENGTHS[:1], delay_frames=4)
    assert both.item() == pytest.approx(first.item() / 2)


@pytest.mark.parametrize("delay, temperature", [(0, 1.0), (2, 1.0), (0, 3.0), (2, 3.0)])
def test_over_the_lattice(delay, temperature):
    targets, counts = torch.tensor([[2, 1, 3], [1, -1, -1]]), torch.tensor([3, 1])
    ours, theirs = (random(2, 5, 4, 5, seed=s) for s in (0, 1))
    slow = 0.0
    for b in range(2):
        for t in range(int(LENGTHS[b]) - delay):
            for u in range(int(counts[b]) + 1):
                nodes = []
                for logits, frame in ((theirs, t), (ours, t + delay)):
                    p = softmax(logits[b, frame, u], temperature)
                    right = p[int(targets[b, u])] if u < counts[b] else 0.0
                    parts = [p[0]] + ([right] if u < counts[b] else [])
                    nodes.append([*parts, 1 - sum(parts)])
                slow += kl(*nodes) * temperature**2 / 2
    options = dict(delay_frames=delay, temperature=temperature)
    value = lattice_divergence(ours, theirs, targets, LENGTHS, counts, **options)
    assert value.item() == pytest.approx(slow, rel=1e-9)
    ours.requires_grad_(), theirs.requires_grad_()
    lattice_divergence(ours, theirs, targets, LENGTHS, counts, **options).backward()
    assert theirs.grad is None and torch.isfinite(ours.grad).all()
    assert not ours.grad[1, 3:].any() and not ours.grad[1, :, 2:].any()
