"""Greedy layer removal against a table made by hand."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.layers import greedy_layers


def test_the_layer_missed_least_goes_first():
    worth = {0: 5.0, 1: 1.0, 2: 3.0, 3: 2.0}
    asked = []

    def loss_of(layers):
        asked.append(tuple(layers))
        return 20.0 - sum(worth[i] for i in layers)

    kept, history = greedy_layers(4, [3, 1], loss_of)
    assert kept == {3: [0, 2, 3], 1: [0]}
    assert [step["removed"] for step in history] == [1, 3, 2]
    assert [step["loss"] for step in history] == [10.0, 12.0, 15.0]
    assert len(asked) == 4 + 3 + 2


def test_importance_is_measured_again_after_each_removal():
    # Layers 0 and 1 say the same: either may go, but not both.
    def loss_of(layers):
        return 10.0 - 4.0 * bool({0, 1} & set(layers)) - 1.0 * (2 in layers)

    kept, _ = greedy_layers(3, [1], loss_of)
    assert kept[1] in ([0], [1])


def test_a_loss_that_is_no_number_is_never_the_best():
    kept, _ = greedy_layers(
        3, [2], lambda layers: float("nan") if 0 not in layers else 1.0
    )
    assert 0 in kept[2]


def test_sizes_out_of_range():
    for sizes in ([4], [0], []):
        with pytest.raises(UserError, match="cannot be made from 3"):
            greedy_layers(3, sizes, lambda layers: 0.0)
