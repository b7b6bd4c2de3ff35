"""Consistency of two views against a slow version, and its warm-up."""

import pytest
import torch
from scipy.stats import entropy

from espnet_plugin.distill.consistency import Consistency, symmetric_divergence
from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.errors import UserError

LENGTHS = [4, 2, 6]


def _outputs(seed, padding=0.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(LENGTHS), max(LENGTHS), 5, generator=generator)
    for row, length in enumerate(LENGTHS):
        logits[row, length:] = padding
    logits.requires_grad_()
    return logits, EncoderOutputs(logits, logits.log_softmax(-1), torch.tensor(LENGTHS))


def _slow(first, second):
    total = 0.0
    for a, b, length in zip(first.log_posteriors, second.log_posteriors, LENGTHS):
        for p, q in zip(a[:length].detach(), b[:length].detach()):
            p, q = p.double().exp().numpy(), q.double().exp().numpy()
            total += (entropy(p, q) + entropy(q, p)) / 2
    return total / len(LENGTHS)


def test_equals_a_loop_over_frames():
    (_, first), (_, second) = _outputs(1), _outputs(2, padding=float("nan"))
    value = symmetric_divergence(first, second)
    assert value.item() == pytest.approx(_slow(first, second), rel=1e-5)
    assert symmetric_divergence(first, first).item() == pytest.approx(0, abs=1e-6)


def test_each_view_learns_from_the_other_as_a_constant():
    (logits, first), (_, second) = _outputs(1), _outputs(2)
    symmetric_divergence(first, second).backward()
    # By hand: the gradient of KL(q || softmax(z)) in z is softmax(z) - q.
    expected = first.log_posteriors.exp() - second.log_posteriors.exp()
    for row, length in enumerate(LENGTHS):
        expected.data[row, length:] = 0
    torch.testing.assert_close(logits.grad, expected.detach() / (2 * len(LENGTHS)))


def test_weight_rises_in_training_only():
    consistency = Consistency(weight=0.2, warmup=4)
    assert consistency.next_weight(training=False) == 0.2
    seen = [consistency.next_weight(training=True) for _ in range(6)]
    assert seen == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.2, 0.2])
    resumed = Consistency(weight=0.2, warmup=8)
    resumed.load_state_dict(consistency.state_dict())
    assert resumed.next_weight(training=True) == pytest.approx(0.2 * 7 / 8)
    assert not Consistency().state_dict()


@pytest.mark.parametrize("wrong", [{"weight": -0.1}, {"warmup": -1}])
def test_refuses_numbers_below_zero(wrong):
    with pytest.raises(UserError, match=f"^{next(iter(wrong))} -"):
        Consistency(**wrong)
