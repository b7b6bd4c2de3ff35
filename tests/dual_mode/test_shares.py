"""Shares of masked groups: models of equal size, and masks only while asked for."""

import pytest
import torch
from dual_small import encode, features, small_encoder

from espnet_plugin.dual_mode.shares import (
    MaskedShares,
    equal_sizes,
    masked,
    removed_parameters,
)
from espnet_plugin.errors import UserError

# Two layers of width 8 with two feed-forward modules of 10 units each; a unit has 8
# weights and a bias before it and 8 weights after it.
UNIT, MODULES = 8 + 1 + 8, 4


def test_counts_what_is_masked():
    encoder = small_encoder()
    by_kind = {
        kind: removed_parameters(encoder, MaskedShares(**{kind: 0.5}))
        for kind in ("heads", "units", "channels")
    }
    assert by_kind["units"][0] == 5 * UNIT * MODULES
    every = removed_parameters(encoder, MaskedShares.of_all(0.5))
    assert every[0] == sum(removed for removed, _ in by_kind.values())
    assert all(maskable == every[1] for _, maskable in by_kind.values())
    assert removed_parameters(encoder, MaskedShares()) == (0, every[1])


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.7])
def test_models_of_equal_size(sparsity):
    encoder = small_encoder(linear_units=100, attention_heads=4)
    wanted, _ = removed_parameters(encoder, MaskedShares.of_all(sparsity))
    found = equal_sizes(encoder, sparsity)
    assert found[0] == MaskedShares.of_all(sparsity)
    assert len(set(found)) == len(found) > 3
    for shares in found:
        removed, _ = removed_parameters(encoder, shares)
        assert abs(removed - wanted) <= UNIT * MODULES  # one unit of every module
        assert 0.0 < shares.units <= 0.95
    assert {0.0, 0.25, 0.5, 0.75} >= {one.heads for one in found[1:]}
    assert any(one.channels == 0.0 for one in found)


def test_masks_are_there_inside_only_and_in_streaming_mode_only():
    encoder, x = small_encoder(), features(24)
    shares = MaskedShares(heads=0.5, units=0.4)
    dense = {mode: encode(encoder, x, mode) for mode in ("full", "streaming")}
    # The same masks, by the options of an encoder.
    options = dict(granularity=["heads", "units"], fixed=True)
    options["sparsity"] = {"heads": 0.5, "units": 0.4}
    other = small_encoder(pruning=options)
    other.pruner.set_sparsity(1.0)
    with masked(encoder, shares):
        assert torch.equal(encode(encoder, x, "full"), dense["full"])
        inside = encode(encoder, x, "streaming")
    assert torch.equal(inside, encode(other, x, "streaming"))
    assert not torch.allclose(inside, dense["streaming"])
    assert torch.equal(encode(encoder, x, "streaming"), dense["streaming"])
    with pytest.raises(RuntimeError), masked(encoder, shares):
        raise RuntimeError
    assert encoder.pruner is None
    with masked(encoder, MaskedShares()):
        assert torch.equal(encode(encoder, x, "streaming"), dense["streaming"])


def test_refuses_a_model_with_masks_and_impossible_shares():
    encoder = small_encoder(pruning=dict(sparsity=0.5))
    with pytest.raises(UserError, match="already has masks .* streaming_alone"):
        equal_sizes(encoder, 0.5)
    encoder = small_encoder()
    for wrong in (0.0, 1.0):
        with pytest.raises(UserError, match=f"sparsity {wrong}: must be above 0"):
            equal_sizes(encoder, wrong)
    with pytest.raises(UserError, match="sparsity 1.5 of heads"):
        removed_parameters(encoder, MaskedShares(heads=1.5))
