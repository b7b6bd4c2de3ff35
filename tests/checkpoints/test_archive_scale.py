"""The scale of an entry of ``kaldi_ark`` is that of what ESPnet reads from it."""

import numpy as np
import pytest
import soundfile
import yaml
from espnet2.train.dataset import ESPnetDataset
from omniio import kaldi
from tiny_asr import load_speech

from espnet_plugin.checkpoints.archive_scale import entry_scale, table_scale
from espnet_plugin.checkpoints.audio_scale import audio_scale
from espnet_plugin.files import read_pairs
from espnet_plugin.recognise.espnet_model import EspnetCtcModel

RATE = 16000
TONE = 0.5 * np.sin(np.arange(4000) / 5)
# What is written, and the bytes in front of it in an archive.
FILES = [
    ("a.wav", "PCM_16"),
    ("a.wav", "PCM_U8"),
    ("a.wav", "PCM_24"),
    ("a.wav", "PCM_32"),
    ("a.wav", "FLOAT"),
    ("a.flac", "PCM_16"),
    ("a.flac", "PCM_24"),
]


def scale_heard(folder, entry):
    """Return what ESPnet makes of an entry, as a multiple of what was written."""
    table = folder / "wav.scp"
    table.write_text(f"utt {entry}\n")
    samples = ESPnetDataset([(str(table), "speech", "kaldi_ark")])["utt"][1]["speech"]
    assert len(samples) == len(TONE)
    return np.abs(samples).max() / np.abs(TONE).max()


@pytest.mark.parametrize("name, subtype", FILES)
@pytest.mark.parametrize("place", ["file", "archive", "framed"])
def test_every_container_and_framing(tmp_path, name, subtype, place):
    path = tmp_path / name
    soundfile.write(path, TONE, RATE, subtype)
    entry = str(path)
    if place == "archive":
        archive = tmp_path / "a.ark"
        archive.write_bytes(b"utt " + path.read_bytes())
        entry = f"{archive}:4"
    if place == "framed":
        # As asr.sh --audio_format flac.ark writes it.
        table = tmp_path / "framed.scp"
        kaldi.save_ark(
            str(tmp_path / "a.ark"),
            {"utt": (TONE, RATE)},
            scp=str(table),
            write_function="soundfile",
            write_kwargs={"format": name[2:], "subtype": subtype},
        )
        entry = read_pairs(table)["utt"]
        assert scale_heard(tmp_path, entry) == pytest.approx(1.0, rel=0.02)
    heard = scale_heard(tmp_path, entry)
    assert entry_scale(entry) == pytest.approx(heard, rel=0.02)
    assert table_scale(tmp_path / "wav.scp") == entry_scale(entry)


def test_a_command_is_not_executed(tmp_path):
    made = tmp_path / "made"
    assert entry_scale(f"touch {made}; cat a.wav |") == 2.0**15
    assert not made.exists()


def test_what_is_gone_is_not_known(tmp_path):
    assert entry_scale(str(tmp_path / "a.ark:12")) is None
    assert table_scale(tmp_path / "wav.scp") is None
    (tmp_path / "empty").write_text("\n")
    assert table_scale(tmp_path / "empty") is None


def test_paths_begin_in_the_recipe(tmp_path, monkeypatch):
    """Where the model is used from another folder, its tables are still found."""
    recipe = tmp_path / "asr1"
    (recipe / "dump").mkdir(parents=True)
    soundfile.write(recipe / "dump/a.wav", TONE, RATE, "PCM_16")
    (recipe / "dump/wav.scp").write_text("utt dump/a.wav\n")
    config = {"train_data_path_and_name_and_type": ["dump/wav.scp,speech,kaldi_ark"]}
    folder = recipe / "exp/asr"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert audio_scale(folder, config) == 2.0**15


def test_a_model_of_the_stock_recipe_hears_samples_as_they_are(
    tiny_asr_model, tmp_path
):
    """Its ``flac.ark`` is read in [-1, 1], so nothing is to be multiplied."""
    name = next(iter(read_pairs(tiny_asr_model.wav_scp)))
    samples = load_speech(tiny_asr_model, name).numpy()
    kaldi.save_ark(
        str(tmp_path / "data_wav.ark"),
        {name: (samples, RATE)},
        scp=str(tmp_path / "wav.scp"),
        write_function="soundfile",
        write_kwargs={"format": "flac", "subtype": None},
    )
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["train_data_path_and_name_and_type"] = [
        [str(tmp_path / "wav.scp"), "speech", "kaldi_ark"]
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "model.pth").write_bytes(tiny_asr_model.checkpoint.read_bytes())
    found = EspnetCtcModel(tmp_path).log_posteriors(samples)
    expected = EspnetCtcModel(tiny_asr_model.dir).log_posteriors(samples)
    np.testing.assert_array_equal(found, expected)
