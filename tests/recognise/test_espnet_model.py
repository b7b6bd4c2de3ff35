"""ESPnet experiments: the texts of decoding, and where the frames lie in time."""

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_asr import SAMPLE_RATE, build_tiny_asr

from espnet_plugin import host
from espnet_plugin.decode.run import decode_model
from espnet_plugin.decode.sets import DecodeSet
from espnet_plugin.errors import UserError
from espnet_plugin.export.source import load_source
from espnet_plugin.files import read_pairs, write_json
from espnet_plugin.recognise.espnet_model import EspnetCtcModel
from espnet_plugin.recognise.load import can_stream
from espnet_plugin.recognise.recogniser import Recogniser, SearchOptions


@pytest.fixture(scope="module")
def model(tiny_asr_model):
    return EspnetCtcModel(tiny_asr_model.dir)


def test_the_tokens_are_those_of_decoding(tiny_asr_model, model, tmp_path):
    sets = [
        DecodeSet("test", [(str(tiny_asr_model.wav_scp), "speech", "sound")], tmp_path)
    ]
    decode_model(tiny_asr_model.config, tiny_asr_model.checkpoint, sets)
    recogniser = Recogniser(model)
    texts, scores = read_pairs(tmp_path / "text"), read_pairs(tmp_path / "score")
    tokens = read_pairs(tmp_path / "token_int")
    assert any(texts.values())
    for name, path in read_pairs(tiny_asr_model.wav_scp).items():
        samples, _ = soundfile.read(path, dtype="float32")
        found = recogniser.search(samples)
        assert " ".join(map(str, found.token_ids)) == tokens[name]
        assert found.alternatives[0].score == pytest.approx(float(scores[name]), 1e-4)
        assert recogniser.file(path).text == " ".join(texts[name].split())


def test_a_wide_beam_is_no_worse_than_the_best_path(tiny_asr_model, model):
    for path in read_pairs(tiny_asr_model.wav_scp).values():
        (one,) = Recogniser(model).file(path).parts
        (other,) = Recogniser(model, SearchOptions(beam_size=16)).file(path).parts
        assert other.alternatives[0].score >= one.alternatives[0].score - 1e-6


def test_frames_of_the_front_end(model):
    """10 ms between windows centred on their sample, then conv2d."""
    assert model.frame_seconds == pytest.approx(0.04)
    assert model.first_frame_seconds == pytest.approx(0.03)


def test_a_front_end_that_is_not_known_is_measured(tmp_path):
    """The same model with a layer in between that does nothing."""
    tiny = build_tiny_asr(
        tmp_path, num_blocks=1, encoder_conf={"input_layer": "conv2d6"}
    )
    known = EspnetCtcModel(tiny.dir)
    config = yaml.safe_load(tiny.config.read_text())
    config["preencoder"] = "linear"
    config["preencoder_conf"] = {"input_size": 20, "output_size": 20}
    tiny.config.write_text(yaml.safe_dump(config))
    state = torch.load(tiny.checkpoint, weights_only=True)
    state["preencoder.linear_out.weight"] = torch.eye(20)
    state["preencoder.linear_out.bias"] = torch.zeros(20)
    torch.save(state, tiny.checkpoint)
    measured = EspnetCtcModel(tiny.dir)
    assert measured.frame_seconds == pytest.approx(known.frame_seconds, rel=0.01)
    assert measured.first_frame_seconds == pytest.approx(
        known.first_frame_seconds, abs=known.frame_seconds
    )


def test_the_volume_is_normalised_as_in_decoding(tiny_asr_model, tmp_path):
    for path in tiny_asr_model.dir.iterdir():
        (tmp_path / path.name).symlink_to(path)
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["speech_volume_normalize"] = 0.5
    (tmp_path / "config.yaml").unlink()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    model, plain = EspnetCtcModel(tmp_path), EspnetCtcModel(tiny_asr_model.dir)
    speech = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    speech = speech.astype(np.float32)
    loud = speech * (0.5 / np.abs(speech).max())
    assert np.allclose(
        model.log_posteriors(speech), plain.log_posteriors(loud), atol=1e-4
    )
    assert not np.allclose(plain.log_posteriors(speech), plain.log_posteriors(loud))


def test_a_token_twice(tiny_asr_model, tmp_path):
    for path in tiny_asr_model.dir.iterdir():
        (tmp_path / path.name).symlink_to(path)
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["token_list"][5] = config["token_list"][6]
    (tmp_path / "config.yaml").unlink()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="config.yaml: ESPnet cannot use this token_li"):
        EspnetCtcModel(tmp_path)


def test_which_checkpoint(tiny_asr_model, tmp_path):
    for path in tiny_asr_model.dir.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "10epoch.pth").symlink_to(tiny_asr_model.checkpoint)
    assert EspnetCtcModel(tmp_path).checkpoint.name == tiny_asr_model.checkpoint.name
    assert EspnetCtcModel(tmp_path, "10epoch.pth").checkpoint.name == "10epoch.pth"
    # What our own trainings name goes before what ESPnet averages.
    write_json(tmp_path / "meta.json", {"checkpoint": "10epoch.pth"})
    assert EspnetCtcModel(tmp_path).checkpoint.name == "10epoch.pth"
    with pytest.raises(UserError, match="has no checkpoint 'none.pth'"):
        EspnetCtcModel(tmp_path, "none.pth")


def changed(tiny, folder, **changes):
    """A folder with another configuration and the same files."""
    for path in tiny.dir.iterdir():
        (folder / path.name).symlink_to(path)
    config = yaml.safe_load(tiny.config.read_text()) | changes
    (folder / "config.yaml").unlink()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(frontend=None, input_size=20), "takes features, not audio"),
        (dict(frontend="sliding_window"), "frontend sliding_window does not specify"),
    ],
)
def test_models_that_take_no_files(tiny_asr_model, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        EspnetCtcModel(changed(tiny_asr_model, tmp_path, **changes))


def test_tokens_that_cannot_be_joined(tiny_asr_model, tmp_path):
    folder = changed(tiny_asr_model, tmp_path, token_type="hugging_face")
    with pytest.raises(UserError, match="token_type hugging_face"):
        Recogniser(EspnetCtcModel(folder))


def test_pieces_without_their_sentencepiece_model(tmp_path):
    """Whatever needs the text says the same."""
    tiny = build_tiny_asr(tmp_path)
    config = yaml.safe_load(tiny.config.read_text())
    config.update(token_type="bpe", bpemodel=None)
    tiny.config.write_text(yaml.safe_dump(config))
    sets = [DecodeSet("test", [(str(tiny.wav_scp), "speech", "sound")], tmp_path / "d")]
    for call in (
        lambda: EspnetCtcModel(tiny.dir),
        lambda: load_source(tiny.dir),
        lambda: decode_model(tiny.config, tiny.checkpoint, sets),
    ):
        with pytest.raises(UserError, match="config.yaml: token_type is bpe, but bpe"):
            call()


def test_a_model_without_ctc(tiny_hybrid_model, tmp_path):
    conf = dict(ctc_weight=0.0, lsm_weight=0.1)
    folder = changed(tiny_hybrid_model, tmp_path, model_conf=conf)
    state = torch.load(tiny_hybrid_model.checkpoint, weights_only=True)
    (folder / tiny_hybrid_model.checkpoint.name).unlink()
    state = {k: v for k, v in state.items() if not k.startswith("ctc.")}
    torch.save(state, folder / "valid.acc.ave.pth")
    with pytest.raises(UserError, match="has no CTC layer.*asr_inference"):
        EspnetCtcModel(folder)


def test_which_folders_stream(tiny_asr_model, tmp_path):
    assert not can_stream(tiny_asr_model.dir)
    folder = changed(tiny_asr_model, tmp_path, encoder=host.DUAL_MODE)
    assert can_stream(folder)
    for meta, expected in (
        ({"mode": "full"}, False),
        ({"mode": "streaming"}, True),
        ({"modes": ["full", "streaming"]}, True),
    ):
        write_json(folder / "meta.json", meta)
        assert can_stream(folder) == expected
    with pytest.raises(UserError, match="configuration .* is missing"):
        can_stream(tmp_path / "none")
