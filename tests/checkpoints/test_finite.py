"""Tensors whose values are not finite, in a state dictionary."""

import math

import pytest
import torch

from espnet_plugin.checkpoints.finite import first_not_finite

GOOD = {
    "weight": torch.ones(2, 3),
    "count": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "empty": torch.zeros(0),
}


def test_finite_values_pass():
    assert first_not_finite(GOOD) is None
    assert first_not_finite({}) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_the_first_one_is_named(value, dtype):
    broken = torch.ones(2, 3, dtype=dtype)
    broken[1, 2] = value
    assert first_not_finite({**GOOD, "a": broken, "b": broken}) == "a"


def test_infinity_is_accepted_where_it_may_be_but_nan_never():
    state = {**GOOD, "bias": torch.tensor([0.0, -math.inf])}
    assert first_not_finite(state) == "bias"
    assert first_not_finite(state, ["bias"]) is None
    state["bias"][0] = math.nan
    assert first_not_finite(state, ["bias"]) == "bias"
