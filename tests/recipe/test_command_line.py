"""A recipe's command line: what is said of options that do not exist."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.families import FAMILIES


@pytest.mark.parametrize(
    "given, meant",
    [
        ("--student_inti", "--student_init?"),
        ("--stag", "--stage?"),
        ("--test-set", "--test_sets?"),
        ("--zzz", None),
    ],
)
def test_a_typo_names_what_was_meant(given, meant):
    with pytest.raises(UserError) as refused:
        FAMILIES["encrl"].read([given, "1"])
    said = str(refused.value)
    assert given in said and "--help" in said
    assert ("did you mean" in said) == (meant is not None)
    assert meant is None or meant in said
