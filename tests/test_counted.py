"""Numbers with their nouns."""

import pytest

from espnet_plugin.counted import counted


@pytest.mark.parametrize(
    "number, text",
    [
        (0, "0 utterances"),
        (1, "1 utterance"),
        (2, "2 utterances"),
        (-1, "-1 utterances"),
    ],
)
def test_one_is_singular(number, text):
    assert counted(number, "utterance") == text
