"""Why a set is prepared again, from records as they lie in its folder."""

import json

import pytest

from espnet_plugin.data.set_record import SetRecord, why_prepare
from espnet_plugin.data.utterance import FormatOptions

NOW = {"digest": "d", "audio": "a"}


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "is prepared for the first time"),
        ("{", "because done.json is damaged"),
        (json.dumps({**NOW, "digest": "x"}), "its tables or tokens have changed"),
        (
            json.dumps({**NOW, "digest": "x", "options": {"fs": 8}}),
            "because of a different fs (was 8, is 16)",
        ),
        (json.dumps({**NOW, "audio": "x"}), "because of a different audio"),
        (json.dumps(NOW), "wav.scp is missing or empty"),
    ],
)
def test_the_reason_is_named(tmp_path, content, said):
    done = tmp_path / "done.json"
    if content is not None:
        done.write_text(content)
    known, now = SetRecord.read(done), SetRecord(NOW, {"fs": 16})
    assert said in why_prepare(done, known, now, FormatOptions(), labelled=True)
