"""The pruning schedule against values worked out by hand."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.schedule import cubic_sparsity


@pytest.mark.parametrize(
    "progress, wanted",
    # 0.8 * (1 - (1 - p)^3), with p from 0 at 0.2 to 1 at 0.7
    [(0.0, 0.0), (0.2, 0.0), (0.45, 0.7), (0.325, 0.4625), (0.7, 0.8), (1.0, 0.8)],
)
def test_known_values(progress, wanted):
    assert cubic_sparsity(progress, 0.8, 0.2, 0.7) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "begin, end, final", [(0.5, 0.5, 0.8), (0, 1.1, 0.8), (0, 1, 1)]
)
def test_bad_numbers_are_named(begin, end, final):
    with pytest.raises(UserError, match=f"{final}|{begin}"):
        cubic_sparsity(0.0, final, begin, end)
