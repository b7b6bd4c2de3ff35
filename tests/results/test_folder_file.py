"""JSON files of an experiment with odd values: noted, and never calculated with."""

import json

import pytest

from espnet_plugin.results.folder_file import read_or_note

GOOD = {
    "cpu": "a processor", "device": "cpu", "flops": 12, "wer": 7.5, "epochs": None,
    "wer_ci95": [1, 9.5], "runs": [0.1, 0.2], "bootstrap": {"unit": "utterance"},
    "per_utterance": [{"utt": "a", "errors": 1, "words": 3}],
}  # fmt: skip


def read(tmp_path, content):
    path = tmp_path / "score.json"
    path.write_text(json.dumps(content))
    missing = []
    return read_or_note(path, tmp_path, missing), missing


def test_what_is_right_is_read_as_it_is(tmp_path):
    assert read(tmp_path, GOOD) == (GOOD, [])


@pytest.mark.parametrize(
    "key, value",
    [
        *(("flops", one) for one in ("text", {"a": 1}, [1], True, float("inf"))),
        *(("wer_ci95", one) for one in (3, [1], [1, "2"], [1, 2, 3], {"a": 1})),
        *(("per_utterance", one) for one in (7, ["a"], [{"utt": "a"}], {"a": 1})),
        ("per_utterance", [{"utt": 1, "errors": 1, "words": 3}]),
        ("runs", [0.1, float("nan")]),
    ],
)
def test_what_is_wrong_is_noted(tmp_path, key, value):
    found, missing = read(tmp_path, {**GOOD, key: value})
    assert found == {**GOOD, key: None}
    assert missing == [f"score.json: a finite number for {key}"]
