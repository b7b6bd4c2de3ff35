"""The typed value of ``meta.json`` keeps every key and value of the file."""

from dataclasses import FrozenInstanceError

import pytest

from espnet_plugin.export.export_meta import ExportMeta

# What the file has had since its first version.
WHOLE = {
    "format": 1,
    "target": "sherpa-onnx",
    "input": "samples",
    "inputs": ["x"],
    "outputs": ["logits", "lengths"],
    "batches": False,
    "sample_rate": None,
    "channels": 1,
    "frame_ms": 40.0,
    "blank": 0,
    "drop": [29],
    "token_type": None,
    "vocabulary": 30,
    "model": {"experiment": "asr", "layers": 2},
    "sherpa_kind": "omnilingual",
    "rows_per_frame": 2,
    "made": {"method": "espnet"},
    "files": {"model.onnx": {"bytes": 1, "sha256": "0"}},
    "warnings": [],
    "measured": {"model.onnx": {"file_bytes": 1}},
    "opset": 17,
    "versions": {"onnx": "1"},
    "verified": {"parity": {"max_difference": 0.0}},
}
STREAM = {
    **{key: WHOLE[key] for key in list(WHOLE) if key not in ("inputs", "outputs")},
    "input": "stream",
    "streaming": {"chunk_frames": 4, "caches": []},
    "framing": {"hop": 160},
    "sherpa": {"high_freq": None},
    "approximate": {"rms": 0.1},
    "int8": {"accepted": False, "reason": "it lost too much"},
}


@pytest.mark.parametrize("content", [WHOLE, STREAM], ids=["whole", "stream"])
def test_nothing_is_lost_or_added(content):
    meta = ExportMeta.from_json(content)
    assert meta.to_json() == content
    assert (meta.drop, meta.made) == ((29,), {"method": "espnet"})
    with pytest.raises(FrozenInstanceError):
        meta.blank = 1


def test_a_missing_key_is_named():
    content = {key: value for key, value in WHOLE.items() if key != "vocabulary"}
    with pytest.raises(KeyError, match="vocabulary"):
        ExportMeta.from_json(content)
