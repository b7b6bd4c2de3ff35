"""What the largest size of a family teaches: against a loop, and who gets gradients."""

import inspect

import pytest
import torch
from scipy.stats import entropy

from espnet_plugin.checkpoints.encrl_options import CONFIGURED, DERIVED, NAMED
from espnet_plugin.distill.model import ESPnetEncRLModel
from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.self_distillation import divergence_from_largest

LENGTHS = [4, 2, 6]


def _outputs(seed, padding=0.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(LENGTHS), max(LENGTHS), 5, generator=generator)
    for row, length in enumerate(LENGTHS):
        logits[row, length:] = padding
    logits.requires_grad_()
    return logits, EncoderOutputs(logits, logits.log_softmax(-1), torch.tensor(LENGTHS))


def _slow(target, learner):
    total = 0.0
    for a, b, length in zip(target.log_posteriors, learner.log_posteriors, LENGTHS):
        for p, q in zip(a[:length].detach(), b[:length].detach()):
            total += entropy(p.double().exp().numpy(), q.double().exp().numpy())
    return total / len(LENGTHS)


def test_equals_a_loop_over_frames():
    (_, small), (_, large) = _outputs(1), _outputs(2, padding=float("nan"))
    value = divergence_from_largest([small], [large])
    assert value.item() == pytest.approx(_slow(large, small), rel=1e-5)
    assert divergence_from_largest([small], [small]).item() == pytest.approx(
        0, abs=1e-6
    )


def test_the_target_is_the_other_view():
    small, large = [_outputs(1)[1], _outputs(2)[1]], [_outputs(3)[1], _outputs(4)[1]]
    value = divergence_from_largest(small, large).item()
    expected = (_slow(large[1], small[0]) + _slow(large[0], small[1])) / 2
    assert value == pytest.approx(expected, rel=1e-5)


def test_only_the_smaller_size_gets_a_gradient():
    (logits, small), (others, large) = _outputs(1), _outputs(2)
    divergence_from_largest([small], [large]).backward()
    assert others.grad is None
    expected = small.log_posteriors.exp() - large.log_posteriors.exp()
    for row, length in enumerate(LENGTHS):
        expected.data[row, length:] = 0
    torch.testing.assert_close(logits.grad, expected.detach() / len(LENGTHS))


def test_every_option_of_the_model_is_listed():
    kinds = inspect.signature(ESPnetEncRLModel.__init__).parameters.values()
    ours = {one.name for one in kinds if one.kind == one.KEYWORD_ONLY}
    assert ours == {*CONFIGURED, *DERIVED, *NAMED}
