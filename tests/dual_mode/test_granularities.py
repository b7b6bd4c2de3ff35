"""A granularity that registers itself is masked and cut out; nobody else knows it."""

import pytest
import torch
from dual_small import encode, features, small_encoder

from espnet_plugin.dual_mode.attention import RelativeAttention
from espnet_plugin.dual_mode.extract import extract_streaming
from espnet_plugin.dual_mode.granularities import GRANULARITIES, granularity
from espnet_plugin.dual_mode.granularities.blocks import BlockGroups, find_blocks
from espnet_plugin.dual_mode.groups import StructuredGroups
from espnet_plugin.errors import UserError


@pytest.fixture
def register():
    """Register for a test, and forget after it."""
    before = dict(GRANULARITIES)
    yield granularity
    GRANULARITIES.clear()
    GRANULARITIES.update(before)


def same_streaming(encoder, small):
    x = features(30)
    ours, whole = (encode(e, x, "streaming") for e in (small, encoder))
    return torch.allclose(ours, whole, atol=1e-10)


def test_structured_groups_of_two_are_cut_out(register):
    @register("pairs_for_a_test")
    def find(root, block):
        for name, module in root.named_modules():
            if isinstance(module, RelativeAttention):
                (heads,) = module.pruning_groups()
                count = module.num_heads // 2
                yield name, StructuredGroups(
                    module, "pairs_for_a_test", count, heads.members, each=2
                )

    kinds = ["pairs_for_a_test", "units"]
    encoder = small_encoder(attention_heads=4, pruning={"granularity": kinds})
    encoder.pruner.set_sparsity(1.0)
    small = extract_streaming(encoder)
    assert small.options["attention_heads"] == [2, 2] and encoder.one_front_end
    assert same_streaming(encoder, small)
    assert any("pairs_for_a_test" in name for name in encoder.state_dict())


def test_zeroed_groups_that_overlap_stand_alone(register):
    @register("rows_for_a_test", alone=True, in_front_end=True)
    def find(root, block):
        for name, groups in find_blocks(root, block):
            width = groups.module.weight.shape[1]
            yield name, BlockGroups(groups.module, (1, width))

    encoder = small_encoder(pruning={"granularity": "rows_for_a_test"})
    encoder.pruner.set_sparsity(1.0)
    small = extract_streaming(encoder)
    weight = small.encoders[0].feed_forward.w_1.weight
    assert sum(not row.any() for row in weight) == 5  # half of ten units
    assert same_streaming(encoder, small) and not encoder.one_front_end
    with pytest.raises(UserError, match="rows_for_a_test overlap with everything"):
        small_encoder(pruning={"granularity": ["heads", "rows_for_a_test"]})


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="granularity heads"):
        granularity("heads")(lambda root, block: iter(()))
