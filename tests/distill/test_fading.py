"""The weight of the reference's losses: known values, and where it goes on."""

import pytest

from espnet_plugin.distill.fading import Fading
from espnet_plugin.errors import UserError


def test_falls_from_one_to_the_end_in_equal_steps():
    fading = Fading(end=0.2)
    fading.steps = 5
    assert fading.next_weight(training=False) == 0.2
    seen = [fading.next_weight(training=True) for _ in range(7)]
    assert seen == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2])


def test_an_interrupted_training_goes_on_where_it_was():
    whole, first, second = Fading(end=0.0), Fading(end=0.0), Fading(end=0.0)
    whole.steps = first.steps = second.steps = 6
    expected = [whole.next_weight(training=True) for _ in range(6)]
    seen = [first.next_weight(training=True) for _ in range(2)]
    second.load_state_dict(first.state_dict())
    seen += [second.next_weight(training=True) for _ in range(4)]
    assert seen == expected and expected[-1] == 0


def test_does_not_change_by_default():
    fading = Fading()
    assert [fading.next_weight(training=True) for _ in range(3)] == [1, 1, 1]
    assert not fading.state_dict()


def test_the_length_of_the_training_must_be_known():
    with pytest.raises(UserError, match="the length of the training is not known"):
        Fading(end=0.5).next_weight(training=True)


@pytest.mark.parametrize("end", [-0.1, 1.1])
def test_refuses_an_end_out_of_range(end):
    with pytest.raises(UserError, match=f"^end {end}: must be from 0 to 1"):
        Fading(end=end)
