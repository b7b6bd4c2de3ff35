"""A class that registers itself is an objective, wherever objectives are named."""

import pytest
import torch
from frames_objective import frames_objective

from espnet_plugin.distill.objectives import (
    OBJECTIVES,
    EncoderOutputs,
    WeightedObjectives,
    objective,
)
from espnet_plugin.errors import UserError


@pytest.fixture
def frames():
    with frames_objective() as kind:
        yield kind


def test_it_is_built_with_the_widths_and_weighed(frames):
    conf = {"frames_for_a_test": {"weight": 3.0, "power": 1}}
    whole = WeightedObjectives(conf, student_dim=4, teacher_dim=5)
    assert whole.terms["frames_for_a_test"].widths == (4, 5)
    assert not whole.use_posteriors
    outputs = [
        EncoderOutputs(
            torch.full((1, 2, 4), x), torch.zeros(1, 2, 3), torch.tensor([2])
        )
        for x in (0.5, 2.5)
    ]
    total, terms = whole(*outputs)
    assert total.item() == 6.0 and terms["loss_frames_for_a_test"] == 2.0


def test_a_name_is_given_once(frames):
    with pytest.raises(ValueError, match="frames_for_a_test.*has this name"):
        with frames_objective():
            raise AssertionError("registered twice")
    assert OBJECTIVES["frames_for_a_test"] is frames
    objective("frames_for_a_test", looks_at="encodings")(frames)  # imported again


def test_only_those_on_single_frames_need_them(frames):
    WeightedObjectives({"clip": {}, "kl": {}}, 4).refuse_single_frames("none are here")
    whole = WeightedObjectives({"clip": {}, "frames_for_a_test": {}}, 4)
    says = "objectives frames_for_a_test: .* single frames .* none are here"
    with pytest.raises(UserError, match=says):
        whole.refuse_single_frames("none are here")
