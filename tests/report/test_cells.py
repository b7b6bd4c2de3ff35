"""How figures are written."""

import pytest

from espnet_plugin.results.cell_text import significant


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "?"),
        (0.0, "0"),
        (1234.5, "1234"),
        (99.96, "100"),
        (99.94, "99.9"),
        (9.996, "10.0"),
        (9.99, "9.99"),
        (0.1, "0.10"),
        (0.0434, "0.0434"),
        (0.0099999, "0.01000"),
        (0.00716, "0.00716"),
        (0.00002346, "0.0000235"),
    ],
)
def test_what_counts_is_shown(value, text):
    assert significant(value) == text
