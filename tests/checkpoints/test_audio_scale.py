"""A model that was trained on integers hears a sound file as it heard those."""

import json
from itertools import groupby

import numpy as np
import pytest
import torch
import yaml
from omniio import kaldi
from tiny_asr import load_speech

from espnet_plugin.checkpoints.audio_scale import (
    audio_scale,
    fit_to_samples,
    noted_scale,
    refuse_other_scale,
    scale_of_tables,
)
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.decode.run import decode_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs, write_json
from espnet_plugin.recognise.espnet_model import EspnetCtcModel

INTEGERS = 32768.0  # full scale of 16 bits


def test_the_scale_is_that_of_what_espnet_reads(tiny_asr_model):
    name = next(iter(read_pairs(tiny_asr_model.wav_scp)))
    _, integers = kaldi.load_scp(str(tiny_asr_model.wav_scp))[name]
    samples = load_speech(tiny_asr_model, name).numpy()
    assert np.abs(integers - samples * INTEGERS).max() <= 1.0


@pytest.fixture
def archived(tiny_asr_model, tmp_path):
    """The tiny model, as if it had been trained on WAV read as ``kaldi_ark``."""
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["train_data_path_and_name_and_type"] = [
        [str(tiny_asr_model.wav_scp), "speech", "kaldi_ark"],
        ["dump/text", "text", "text"],
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "model.pth").write_bytes(tiny_asr_model.checkpoint.read_bytes())
    return tmp_path


def test_where_it_is_said(archived, tiny_asr_model):
    assert audio_scale(tiny_asr_model.dir) == 1.0
    assert audio_scale(archived) == INTEGERS
    config = yaml.safe_load((archived / "config.yaml").read_text())
    assert audio_scale(archived, {**config, "frontend": None}) == 1.0
    write_json(archived / "meta.json", {"audio_scale": 2.0, "checkpoint": "model.pth"})
    assert audio_scale(archived) == 2.0
    assert scale_of_tables(["a,speech,sound", "b,text,text"]) == 1.0
    # Of asr.sh, for all that is known.
    assert scale_of_tables([("gone", "speech", "kaldi_ark")]) == 1.0
    assert noted_scale(1.0) is None and noted_scale(2.0) == 2.0


def test_recognise_hears_what_training_heard(archived, tiny_asr_model):
    name = next(iter(read_pairs(tiny_asr_model.wav_scp)))
    samples = load_speech(tiny_asr_model, name)
    stock, _ = load_asr_model(archived / "config.yaml", archived / "model.pth")
    with torch.no_grad():
        length = torch.tensor([len(samples)])
        encoded, _ = stock.encode(samples[None] * INTEGERS, length)
        expected = stock.ctc.log_softmax(encoded)[0].numpy()
        encoded, _ = stock.encode(samples[None], length)
        otherwise = stock.ctc.log_softmax(encoded)[0].numpy()
    found = EspnetCtcModel(archived).log_posteriors(samples.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(found - otherwise).max() > 0.1


@pytest.mark.parametrize("model_hears", ["sound", "kaldi_ark"])
@pytest.mark.parametrize("table_is", ["sound", "kaldi_ark"])
def test_decoding_hears_what_training_heard(
    archived, tiny_asr_model, tmp_path, model_hears, table_is
):
    """Whatever the type of the table: the texts are those of the stock model."""
    factor = INTEGERS if model_hears == "kaldi_ark" else 1.0
    folder = archived if model_hears == "kaldi_ark" else tiny_asr_model.dir
    checkpoint = tiny_asr_model.checkpoint
    stock, _ = load_asr_model(tiny_asr_model.config, checkpoint)
    expected = {}
    for name in read_pairs(tiny_asr_model.wav_scp):
        samples = load_speech(tiny_asr_model, name)[None] * factor
        with torch.no_grad():
            encoded, _ = stock.encode(samples, torch.tensor([samples.shape[1]]))
            best = stock.ctc.argmax(encoded)[0].tolist()
        ids = [one for one, _ in groupby(best) if one not in (0, stock.eos)]
        expected[name] = " ".join(map(str, ids))
    table = [f"{tiny_asr_model.wav_scp},speech,{table_is}"]
    config = folder / "config.yaml"
    sets = [("test", table, tmp_path / "out")]
    decode_model(config, checkpoint, sets)
    found = read_pairs(tmp_path / "out/token_int")
    assert found == expected and len(set(found.values())) > 2
    # A set that an earlier version decoded as it was is decoded again.
    record = tmp_path / "out/decoded.json"
    noted = json.loads(record.read_text())
    assert ("samples" in json.dumps(noted)) == (model_hears != table_is)
    if model_hears != table_is:
        with pytest.raises(UserError, match="prefix: .* times as large"):
            sets = [("test", table, tmp_path / "prefix")]
            decode_model(config, checkpoint, sets, method="prefix")


def test_a_reference_of_another_scale_is_refused(archived, tiny_asr_model):
    """It normalises by statistics of its own scale, and so would its students."""
    table = str(tiny_asr_model.wav_scp)
    sound, ark = [((table, "speech", kind),) for kind in ("sound", "kaldi_ark")]
    for folder, right, wrong in (
        (archived, ark, sound), (tiny_asr_model.dir, sound, ark)
    ):  # fmt: skip
        config = yaml.safe_load((folder / "config.yaml").read_text())
        refuse_other_scale(folder / "config.yaml", config, right)
        with pytest.raises(
            UserError, match="config.yaml: .* times as large as .*wav.scp"
        ):
            refuse_other_scale(folder / "config.yaml", config, wrong)
        # Features and transcripts have no such scale.
        refuse_other_scale(folder / "config.yaml", {**config, "frontend": None}, wrong)
        text = [("a/text", "text", "text")]
        refuse_other_scale(folder / "config.yaml", config, text)


def test_a_front_end_without_filters_is_refused():
    model = torch.nn.Module()
    model.frontend = torch.nn.Identity()
    fit_to_samples(model, 1.0, "exp/x")
    with pytest.raises(UserError, match="exp/x: .* 32768 times .* Identity"):
        fit_to_samples(model, INTEGERS, "exp/x")
