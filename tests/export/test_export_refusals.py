"""Models and options that cannot be exported are refused, with the reason."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_asr import build_tiny_asr
from tiny_export import change_config

from espnet_plugin.bin.export import main


@pytest.fixture
def experiment(tiny_asr_model, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(tiny_asr_model.dir, tmp_path / "asr_copy"))


def test_files_instead_of_folders(tiny_asr_model, caplog):
    assert main([str(tiny_asr_model.config)]) == 2
    assert f"give the experiment's folder, {tiny_asr_model.dir}" in caplog.text
    assert main([str(tiny_asr_model.dir), "--dev", str(tiny_asr_model.text)]) == 2
    assert "text: this is a file; give a Kaldi data folder" in caplog.text


@pytest.mark.parametrize(
    "folder, message",
    [
        ("none", "none: the folder does not exist; give a Kaldi data folder"),
        ("empty", "empty: the folder has no wav.scp: give a Kaldi data folder"),
    ],
)
def test_the_dev_set_is_looked_at_before_espnet_is_imported(
    experiment, tmp_path, monkeypatch, caplog, folder, message
):
    monkeypatch.setitem(sys.modules, "espnet_plugin.export.derive", None)
    (tmp_path / "empty").mkdir()
    assert main([str(experiment), "--dev", str(tmp_path / folder)]) == 2
    assert message in caplog.text


@pytest.mark.parametrize(
    "settings, says",
    [
        (dict(encoder="rnn"), "encoder rnn cannot be exported"),
        (dict(frontend="sliding_window"), "frontend sliding_window"),
        (dict(preencoder="sinc"), "can be exported; train without it"),
        (dict(model_conf=dict(ctc_weight=0.0)), "has no CTC layer"),
        (dict(encoder_conf=dict(ctc_trim=True)), "recognised; train without it"),
        (dict(frontend_conf=dict(apply_stft=False)), "audio; train without it"),
        (
            dict(frontend_conf=dict(frontend_conf=dict(use_beamformer=True))),
            "several channels, and an exported model takes one; train without it",
        ),
        (dict(token_type="hugging_face"), "token_type hugging_face"),
        (dict(speech_volume_normalize=0.5), "speech_volume_normalize: 0.5"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_loading(
    experiment, settings, says, caplog
):
    change_config(experiment, **settings)
    (experiment / "valid.cer_ctc.ave.pth").write_text("is not looked at")
    assert main([str(experiment)]) == 2
    assert says in caplog.text
    assert not (experiment / "export").exists()


def test_nan_weights(experiment, caplog):
    state = torch.load(experiment / "valid.cer_ctc.ave.pth")
    state["encoder.after_norm.weight"][2] = float("nan")
    torch.save(state, experiment / "valid.cer_ctc.ave.pth")
    assert main([str(experiment)]) == 2
    assert "encoder.after_norm.weight holds NaN" in caplog.text


def test_a_model_of_another_task(experiment, caplog):
    """A decoder alone, such as a language model, has no encoder to export."""
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    for key in ("encoder", "encoder_conf"):
        del config[key]
    (experiment / "config.yaml").write_text(yaml.safe_dump({**config, "lm": "seq_rnn"}))
    assert main([str(experiment)]) == 2
    said = f"{experiment / 'config.yaml'} is one of ESPnet's task lm"
    assert said in caplog.text


def test_another_blank(experiment, caplog):
    tokens = experiment / "tokens.txt"
    first, second, *rest = tokens.read_text().splitlines()
    tokens.write_text("\n".join([second, first, *rest]) + "\n")
    change_config(experiment, token_list=str(tokens))
    assert main([str(experiment)]) == 2
    assert "blank is token 1" in caplog.text


def test_learnt_positions(tmp_path, caplog):
    conf = dict(
        pos_enc_layer_type="scaled_abs_pos",
        selfattention_layer_type="selfattn",
        cnn_module_kernel=7,
    )
    made = build_tiny_asr(tmp_path, encoder_conf=conf)
    assert main([str(made.dir)]) == 2
    assert "ScaledPositionalEncoding" in caplog.text


@pytest.mark.parametrize(
    "options, says",
    [
        (["--int8"], "--int8 needs --dev"),
        (["--target", "sherpa-onnx", "--features"], "--features"),
        (["--dev", "nowhere"], "--dev nowhere"),
        (["--fbank_rate", "16000"], "has its own front end"),
    ],
)
def test_wrong_options(tiny_asr_model, options, says, caplog):
    assert main([str(tiny_asr_model.dir), *options]) == 2
    assert says in caplog.text


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_packages(tiny_asr_model, monkeypatch, caplog, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main([str(tiny_asr_model.dir)]) == 2
    assert f"{package} must be installed" in caplog.text
    assert "pip install '.[device]'" in caplog.text
