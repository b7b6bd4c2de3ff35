"""Which sets a search with a language model decodes again; the search is replaced."""

import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet_plugin.decode.best_path import Hypothesis, write_hypotheses
from espnet_plugin.files import read_json, read_pairs, write_json
from espnet_plugin.jobs import lm_decode
from espnet_plugin.jobs.lm_decode import LMDecoding, decode_with_lm


@pytest.fixture
def decoding(tiny_asr_model, tmp_path, monkeypatch):
    """Decode without a language model; return how many sets were searched."""
    model = tmp_path / "exp/asr_tiny"
    shutil.copytree(tiny_asr_model.dir, model)
    dump = tmp_path / "dump"
    source = shutil.copytree(tiny_asr_model.data_dir, dump / "test")
    (source / "feats_type").write_text("raw\n")
    (source / "audio_format").write_text("wav\n")
    # Audio of its own, because the model's is that of other tests.
    lines = []
    for n, name in enumerate(read_pairs(source / "wav.scp")):
        samples = 0.1 * np.random.default_rng(n).standard_normal(8000)
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
        lines.append(f"{name} {tmp_path}/{name}.wav\n")
    (source / "wav.scp").write_text("".join(lines))
    searched = []

    def search(data, keys, args, checkpoint, folder, search):
        searched.append(folder)
        write_hypotheses(folder, [Hypothesis(k, "A", ["A"], [2], 0.0) for k in keys])

    monkeypatch.setattr(lm_decode, "prefix_search", search)

    def decode():
        searched.clear()
        job = LMDecoding(model, dump, "test", "test", [0.5], 2)
        decode_with_lm(job, None, tmp_path / "out")
        return len(searched)

    assert decode() == 1  # one set for both purposes
    decode.audio = Path(lines[0].split()[1])
    decode.config = model / "config.yaml"
    (decode.record,) = (tmp_path / "out").rglob("decoded.json")
    return decode


def test_nothing_changed(decoding):
    assert decoding() == 0


def test_other_audio_under_the_same_name(decoding):
    samples = 0.1 * np.random.default_rng(99).standard_normal(8000)
    soundfile.write(decoding.audio, samples, 16000)
    assert decoding() == 1
    assert decoding() == 0


def test_a_comment_in_the_configuration(decoding):
    decoding.config.write_text("# mine\n" + decoding.config.read_text())
    assert decoding() == 0


def test_a_value_in_the_configuration(decoding):
    config = yaml.safe_load(decoding.config.read_text())
    decoding.config.write_text(yaml.safe_dump({**config, "seed": 77}))
    assert decoding() == 1


def test_a_record_of_an_earlier_version_still_counts(decoding, tmp_path):
    record = {k: v for k, v in read_json(decoding.record).items() if k != "config"}
    del record["audio"]
    table = tmp_path / "dump/test/wav.scp"
    record["table"] = sha256(table.read_bytes()).hexdigest()
    write_json(decoding.record, record)
    assert decoding() == 0
    table.write_text(table.read_text() + "\n")
    assert decoding() == 1
    assert "audio" in read_json(decoding.record)
    assert decoding() == 0
