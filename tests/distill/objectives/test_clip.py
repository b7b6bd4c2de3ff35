"""The contrastive objective against a slow, obvious one."""

import itertools
import math

import pytest
import torch

from espnet_plugin.distill.objectives import (
    ClipObjective,
    EncoderOutputs,
    WeightedObjectives,
)
from espnet_plugin.errors import UserError


def random_outputs(lengths, dim, seed=0, padding=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths) + padding, dim)
    encoding = torch.randn(shape, generator=generator)
    return EncoderOutputs(encoding, encoding.log_softmax(-1), torch.tensor(lengths))


def clip_slowly(student, teacher, temperature, normalize):
    """Eq. 3 of the paper, one pair of utterances at a time."""

    def pool(outputs):
        vectors = []
        for frames, length in zip(outputs.encoding.tolist(), outputs.lengths.tolist()):
            mean = [sum(column) / length for column in zip(*frames[:length])]
            size = math.sqrt(sum(x * x for x in mean)) if normalize else 1.0
            vectors.append([x / size for x in mean])
        return vectors

    def cross_entropy(rows):
        total = 0.0
        for i, row in enumerate(rows):
            total -= row[i] - math.log(sum(math.exp(value) for value in row))
        return total / len(rows)

    ours, theirs = pool(student), pool(teacher)
    similarity = [
        [sum(x * y for x, y in zip(a, b)) / temperature for b in theirs] for a in ours
    ]
    transposed = list(zip(*similarity))
    return 0.5 * (cross_entropy(similarity) + cross_entropy(transposed))


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 1.0])
@pytest.mark.parametrize(
    "lengths, dim", [([3, 3], 4), ([1, 7, 4], 5), ([9, 2, 5, 6, 1], 8)]
)
def test_equals_a_loop_over_pairs(lengths, dim, temperature, normalize):
    student = random_outputs(lengths, dim, seed=1)
    teacher = random_outputs(lengths, dim, seed=2)
    objective = ClipObjective(dim, normalize=normalize, temperature=temperature)
    expected = clip_slowly(student, teacher, temperature, normalize)
    assert objective(student, teacher).item() == pytest.approx(
        expected, rel=1e-4, abs=1e-6
    )


def test_teacher_and_student_may_differ_in_frames():
    student, teacher = random_outputs([4, 2], 6, 1), random_outputs([8, 5], 6, 2)
    expected = clip_slowly(student, teacher, 0.07, True)
    loss = ClipObjective(6)(student, teacher)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("normalize", [True, False])
def test_is_symmetric(normalize):
    a, b = random_outputs([3, 5, 2], 6, 1), random_outputs([3, 5, 2], 6, 2)
    objective = ClipObjective(6, normalize=normalize, temperature=0.3)
    torch.testing.assert_close(objective(a, b), objective(b, a))


def test_a_learnable_temperature_starts_there_and_has_a_gradient():
    student, teacher = random_outputs([3, 5, 2], 6, 1), random_outputs([3, 5, 2], 6, 2)
    fixed = ClipObjective(6, temperature=0.2)
    learnt = ClipObjective(6, temperature=0.2, learnable_temperature=True)
    assert not list(fixed.parameters())
    loss = learnt(student, teacher)
    torch.testing.assert_close(loss, fixed(student, teacher))
    loss.backward()
    step = 1e-3
    ends = [
        clip_slowly(student, teacher, math.exp(-(-math.log(0.2) + sign * step)), True)
        for sign in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert learnt.log_scale.grad.item() == pytest.approx(slope, rel=1e-2)


def test_a_projection_joins_different_widths():
    student, teacher = random_outputs([3, 5, 2], 4, 1), random_outputs([3, 5, 2], 6, 2)
    objective = ClipObjective(4, 6)
    projected = EncoderOutputs(
        student.encoding @ objective.projection.weight.T,
        student.log_posteriors,
        student.lengths,
    )
    loss = objective(student, teacher)
    assert loss.item() == pytest.approx(
        clip_slowly(projected, teacher, 0.07, True), rel=1e-4
    )
    loss.backward()
    assert objective.projection.weight.grad.abs().sum() > 0
    assert ClipObjective(6, 6).projection is None
    assert ClipObjective(6, 6, projection=True).projection is not None


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_a_batch_of_one_is_skipped_and_said_to_be(weight, caplog):
    one, other = random_outputs([5], 6, 1), random_outputs([5], 6, 2)
    assert ClipObjective(6)(one, other) is None
    objectives = WeightedObjectives({"clip": {"weight": weight}}, student_dim=6)
    one.encoding.requires_grad_()
    total, terms = objectives(one, other)
    assert total.item() == 0 and terms == {}
    assert "no negatives" in caplog.text
    total.backward()  # a graph must be there, or the trainer falls over
    assert not one.encoding.grad.any()
    assert "min_batch_size" in caplog.text
    caplog.clear()
    objectives(one, other)
    assert not caplog.text  # once is enough
    objectives.eval()(one, other)
    objectives(one, other)
    # min_batch_size does not help a development set of a single utterance.
    (said,) = caplog.messages
    assert "of the development set" in said and "min_batch_size" not in said


def test_a_batch_of_one_can_be_an_error():
    one = random_outputs([5], 6)
    with pytest.raises(UserError, match="min_batch_size"):
        ClipObjective(6, single="error")(one, one)


def test_limits():
    # Orthogonal utterances at a low temperature: nothing left to learn.
    eye = torch.eye(4)[:, None].repeat(1, 3, 1)
    same = EncoderOutputs(eye, eye.log_softmax(-1), torch.tensor([3, 2, 1, 3]))
    assert ClipObjective(4, temperature=0.01)(same, same).item() < 1e-6
    # Utterances that cannot be told apart: chance.
    flat = EncoderOutputs(torch.ones(4, 3, 4), eye, same.lengths)
    loss = ClipObjective(4)(flat, flat).item()
    assert loss == pytest.approx(math.log(4), rel=1e-5)
    # A random teacher against itself is better than against every re-ordering.
    teacher = random_outputs([4, 4, 4], 16)
    itself = ClipObjective(16)(teacher, teacher)
    for order in list(itertools.permutations(range(3)))[1:]:
        moved = EncoderOutputs(
            teacher.encoding[list(order)], teacher.log_posteriors, teacher.lengths
        )
        assert itself < ClipObjective(16)(moved, teacher)


@pytest.mark.parametrize(
    "option", [{"temperature": 0}, {"temperature": float("nan")}, {"single": "ignore"}]
)
def test_bad_options(option):
    with pytest.raises(UserError, match=next(iter(option))):
        ClipObjective(4, **option)
