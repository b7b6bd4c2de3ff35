"""The registry, the weighted sum, and what must not change any objective."""

import pytest
import torch

from espnet_plugin.distill.objectives import (
    OBJECTIVES,
    EncoderOutputs,
    WeightedObjectives,
)
from espnet_plugin.errors import UserError

CONFIGURATIONS = {
    "clip": {},
    "clip of the paper": {"normalize": False, "temperature": 1.0},
    "mse": {},
    "mse on posteriors": {"on": "posteriors"},
    "mae": {"blank_weight": 0.2},
    "kl": {"temperature": 2.0, "blank_weight": 0.5},
    "frame_contrast": {"max_delay": 1},
}


def build(name):
    kind = name.split()[0]
    objectives = WeightedObjectives({kind: CONFIGURATIONS[name]}, student_dim=6)
    return objectives.terms[kind]


def random_outputs(lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    encoding = torch.randn(len(lengths), max(lengths), 6, generator=generator)
    posteriors = torch.randn(len(lengths), max(lengths), 5, generator=generator)
    return EncoderOutputs(encoding, posteriors.log_softmax(-1), torch.tensor(lengths))


def padded(outputs, frames, value):
    """Return a copy with ``value`` on the old padding and on more of it."""
    longer = []
    for tensor in (outputs.encoding, outputs.log_posteriors):
        tensor = torch.nn.functional.pad(tensor, (0, 0, 0, frames))
        for row, length in zip(tensor, outputs.lengths):
            row[length:] = value
        longer.append(tensor.requires_grad_())
    return EncoderOutputs(*longer, outputs.lengths)


def test_every_objective_is_tried_here():
    assert {name.split()[0] for name in CONFIGURATIONS} == set(OBJECTIVES)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9, 0.0])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_padding_changes_nothing(name, value):
    objective = build(name)
    lengths = [5, 2, 7, 1]
    student, teacher = random_outputs(lengths, 1), random_outputs(lengths, 2)
    student.encoding.requires_grad_()
    student.log_posteriors.requires_grad_()
    loss = objective(student, teacher)
    loss.backward()
    more = padded(
        EncoderOutputs(
            student.encoding.detach(), student.log_posteriors.detach(), student.lengths
        ),
        6,
        value,
    )
    other = objective(more, padded(teacher, 6, value))
    other.backward()
    torch.testing.assert_close(other, loss, rtol=1e-6, atol=1e-7)
    looks_at_encodings = objective.looks_at == "encodings"
    field = "encoding" if looks_at_encodings else "log_posteriors"
    gradient = getattr(more, field).grad
    assert torch.isfinite(gradient).all()
    for row, short, length in zip(gradient, getattr(student, field).grad, lengths):
        torch.testing.assert_close(row[:length], short[:length], rtol=1e-5, atol=1e-7)
        # A single frame has no other frame to differ from.
        assert row[:length].any() or (objective.single_frames and length == 1)
        assert not row[length:].any()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_order_changes_nothing(name):
    objective = build(name)
    lengths = [5, 2, 7, 1]
    student, teacher = random_outputs(lengths, 1), random_outputs(lengths, 2)
    order = [2, 0, 3, 1]

    def moved(outputs):
        tensors = (outputs.encoding, outputs.log_posteriors, outputs.lengths)
        return EncoderOutputs(*(tensor[order] for tensor in tensors))

    loss = objective(student, teacher)
    torch.testing.assert_close(objective(moved(student), moved(teacher)), loss)


def test_is_the_weighted_sum():
    lengths = [5, 2, 7]
    student, teacher = random_outputs(lengths, 1), random_outputs(lengths, 2)
    conf = {"clip": {"weight": 2, "temperature": 0.5}, "mse": None, "kl": {"weight": 3}}
    total, terms = WeightedObjectives(conf, student_dim=6)(student, teacher)
    assert set(terms) == {"loss_clip", "loss_mse", "loss_kl"}
    expected = 2 * terms["loss_clip"] + terms["loss_mse"] + 3 * terms["loss_kl"]
    torch.testing.assert_close(total, expected)
    for name, options in (("clip", {"temperature": 0.5}), ("mse", {}), ("kl", {})):
        widths = {"student_dim": 6} if name == "clip" else {}
        alone = OBJECTIVES[name](**widths, **options)(student, teacher)
        torch.testing.assert_close(terms[f"loss_{name}"], alone)
        assert not terms[f"loss_{name}"].requires_grad


def test_knows_what_it_looks_at():
    assert not WeightedObjectives({"clip": {}}, student_dim=6).use_posteriors
    assert WeightedObjectives({"clip": {}, "mae": {}}, student_dim=6).use_posteriors


@pytest.mark.parametrize(
    "conf, what",
    [
        ({}, "clip, frame_contrast, mse, mae, kl"),
        (["clip", "mse"], "clip, frame_contrast, mse, mae, kl"),
        ({"cosine": {}}, "'cosine' is not one of clip, frame_contrast, mse, mae, kl"),
        ({"clip": 1.0}, "objectives.clip 1.0"),
        ({"clip": {"temprature": 1.0}}, "objectives.clip.temprature 1.0: there is no"),
        ({"mse": {"temperature": 1.0}}, "objectives.mse.temperature 1.0: there is no"),
        (
            {"kl": {"temperature": "warm"}},
            "objectives.kl.temperature 'warm': must be a number",
        ),
        ({"mse": {"weight": 0}}, "objectives.mse.weight 0"),
        ({"mse": {"weight": -1.0}}, "objectives.mse.weight -1.0"),
        ({"mse": {"weight": float("nan")}}, "objectives.mse.weight nan"),
        ({"mse": {"weight": "big"}}, "objectives.mse.weight 'big'"),
    ],
)
def test_bad_configurations(conf, what):
    with pytest.raises(UserError, match=what):
        WeightedObjectives(conf, student_dim=6)
