"""Objectives on posteriors against loops over the valid frames."""

import pytest
import torch
from scipy.stats import entropy

from espnet_plugin.distill.objectives import (
    EncoderOutputs,
    KLObjective,
    MAEObjective,
    MSEObjective,
)
from espnet_plugin.errors import UserError

LENGTHS = ([4], [2, 7], [5, 1, 3, 6])


def random_outputs(lengths, vocabulary=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(
        len(lengths), max(lengths), vocabulary, generator=generator
    )
    logits[..., 0] += 2  # blank often wins
    return EncoderOutputs(logits, logits.log_softmax(-1), torch.tensor(lengths))


def over_valid_frames(student, teacher, distance, blank_weight=1.0):
    """Weighted mean of ``distance`` of two lists of log-posteriors."""
    total = count = 0.0
    for ours, theirs, length in zip(
        student.log_posteriors, teacher.log_posteriors, student.lengths
    ):
        for a, b in zip(ours[:length], theirs[:length]):
            weight = blank_weight if int(b.argmax()) == 0 else 1.0
            total += weight * distance(a.double(), b.double())
            count += weight
    return float(total / count)


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b)) / len(a)


def absolute(a, b):
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)


def divergence(temperature):
    def distance(a, b):
        p = (b / temperature).exp().numpy()  # scipy makes them sum to one
        q = (a / temperature).exp().numpy()
        return entropy(p, q) * temperature**2

    return distance


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("blank_weight", [1.0, 0.3, 0.0])
@pytest.mark.parametrize(
    "objective, distance",
    [
        (MSEObjective, squared),
        (MAEObjective, absolute),
        (KLObjective, divergence(1.0)),
    ],
)
def test_equals_a_loop_over_valid_frames(objective, distance, blank_weight, lengths):
    student, teacher = random_outputs(lengths, seed=1), random_outputs(lengths, seed=2)
    teacher.log_posteriors[0, 0] = torch.tensor([9.0, 8, 0, 0, 0]).log_softmax(-1)
    teacher.log_posteriors[0, 1] = torch.tensor([8.0, 9, 0, 0, 0]).log_softmax(-1)
    loss = objective(blank_weight=blank_weight)(student, teacher)
    expected = over_valid_frames(student, teacher, distance, blank_weight)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_kl_softens_both(temperature):
    student, teacher = random_outputs([5, 3], seed=1), random_outputs([5, 3], seed=2)
    loss = KLObjective(temperature=temperature)(student, teacher)
    expected = over_valid_frames(student, teacher, divergence(temperature))
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_kl_equals_torch_distributions():
    student, teacher = random_outputs([6, 6], seed=1), random_outputs([6, 6], seed=2)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=teacher.log_posteriors),
        torch.distributions.Categorical(logits=student.log_posteriors),
    ).mean()
    torch.testing.assert_close(KLObjective()(student, teacher), expected)
    # It is not symmetric, so the roles are tested too.
    assert not torch.isclose(KLObjective()(teacher, student), expected)


@pytest.mark.parametrize("objective", [MSEObjective, MAEObjective])
def test_on_posteriors(objective):
    student, teacher = random_outputs([5, 3], seed=1), random_outputs([5, 3], seed=2)
    loss = objective(on="posteriors")(student, teacher)
    distance = squared if objective is MSEObjective else absolute
    expected = over_valid_frames(
        student, teacher, lambda a, b: distance(a.exp(), b.exp())
    )
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("objective", [MSEObjective, MAEObjective, KLObjective])
def test_is_zero_against_itself(objective):
    teacher = random_outputs([5, 3])
    assert objective()(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("objective", [MSEObjective, MAEObjective])
def test_is_symmetric(objective):
    a, b = random_outputs([5, 3], seed=1), random_outputs([5, 3], seed=2)
    torch.testing.assert_close(objective()(a, b), objective()(b, a))


@pytest.mark.parametrize(
    "objective, options, what",
    [
        (MSEObjective, {"on": "logits"}, "log_posteriors"),
        (MAEObjective, {"blank_weight": -0.1}, "blank_weight -0.1"),
        (KLObjective, {"temperature": 0.0}, "temperature 0.0"),
    ],
)
def test_bad_options(objective, options, what):
    with pytest.raises(UserError, match=what):
        objective(**options)
