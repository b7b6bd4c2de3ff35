"""The streaming command: pieces of any size, Ctrl-C, wrong rate, wrong model."""

import os
import shutil
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_asr import build_tiny_asr

from espnet_plugin import host
from espnet_plugin.bin import recognise
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.load import load_recogniser
from espnet_plugin.files import write_json
from espnet_plugin.names import DUAL_MODE
from espnet_plugin.recognise import live

CONF = dict(cnn_module_kernel=7, chunk_frames=4, left_context_frames=6)
SAMPLES = (3000 * np.random.default_rng(0).standard_normal(24001)).astype("<i2")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    host.register()
    root = tmp_path_factory.mktemp("recognise")
    tiny = build_tiny_asr(root, encoder=DUAL_MODE, encoder_conf=CONF)
    # A new model says one thing of all it hears: how frames differ has to count.
    state = torch.load(tiny.checkpoint, weights_only=True)
    centre, weight = (state[f"ctc.ctc_lo.{part}"] for part in ("bias", "weight"))
    with torch.no_grad():
        model, _ = load_asr_model(tiny.config, tiny.checkpoint)
        speech = torch.from_numpy(SAMPLES / 32768).float()[None]
        encoded = model.eval().encode(speech, torch.tensor([speech.shape[1]]))[0][0]
        centre.copy_(-(weight @ encoded.mean(0)))
    torch.save(state, tiny.checkpoint)
    return tiny.dir


class Stream:
    """Pieces of 16-bit samples, cut anywhere; None: Ctrl-C while it waits for more."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def read1(self, size):
        piece = self.pieces.pop(0) if self.pieces else b""
        if piece is None:
            os.kill(os.getpid(), signal.SIGINT)
            return b"unreachable"
        return piece


def said(model, samples):
    speech = samples.astype(np.float32) / 32768
    return load_recogniser(model).accept(speech, last=True).text


def run(monkeypatch, capsys, model, stream, *options):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    status = recognise.main([str(model), "-", *options])
    return status, capsys.readouterr().out.splitlines()


def test_a_sample_may_come_in_two_pieces(model, monkeypatch, capsys):
    data = SAMPLES.tobytes()
    cuts = [0, 1, 2, 777, 778, 3201, 20000, len(data)]
    pieces = [data[a:b] for a, b in zip(cuts, cuts[1:])]
    # And the last one may be half of one.
    status, lines = run(monkeypatch, capsys, model, Stream(*pieces, b"\x07"))
    assert status == 0 and lines[-1] == said(model, SAMPLES) != ""
    # What was partial is how the final text begins.
    assert len(set(lines)) >= 3 and all(lines[-1].startswith(line) for line in lines)


def test_ctrl_c_ends_the_audio_and_not_the_text(model, monkeypatch, capsys):
    heard = SAMPLES[:10001]
    before = signal.getsignal(signal.SIGINT)
    stream = Stream(heard.tobytes(), None, SAMPLES.tobytes())
    status, lines = run(monkeypatch, capsys, model, stream, "--quiet")
    assert status == 0 and lines == [said(model, heard)]
    assert signal.getsignal(signal.SIGINT) is before


def test_no_faster_than_it_was_spoken(model, monkeypatch, capsys):
    """Pieces smaller than a block, as a pipe gives them: samples tell the time."""
    clock = SimpleNamespace(now=0.0, slept=[])

    def sleep(seconds):
        clock.now += seconds
        clock.slept.append(seconds)

    fake = SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep)
    monkeypatch.setattr(live, "time", fake)
    pieces = [SAMPLES[start : start + 400].tobytes() for start in range(0, 24000, 400)]
    status, _ = run(monkeypatch, capsys, model, Stream(*pieces), "--real_time")
    assert status == 0 and clock.now == pytest.approx(24000 / 16000)
    assert clock.slept == pytest.approx([400 / 16000] * 60)


def test_another_rate_is_refused_with_the_way_out(model, tmp_path, caplog):
    path = tmp_path / "slow.wav"
    soundfile.write(path, SAMPLES, 8000)
    assert recognise.main([str(model), str(path)]) == 2
    assert "slow.wav has 8000 Hz" in caplog.text and "-r 16000 -c 1" in caplog.text


def test_a_full_context_model_is_refused(model, caplog, tmp_path):
    one, other = tmp_path / "asr_a_s1_full", tmp_path / "asr_a_s1_streaming"
    one.mkdir()
    shutil.copy(model / "config.yaml", one)
    for meta in ({"mode": "full"}, {"modes": ["full"]}):
        write_json(one / "meta.json", meta)
        assert recognise.main([str(one), "-"]) == 2
        assert f"{one} holds the full-context model" in caplog.text
    assert f"use {other}" not in caplog.text
    other.mkdir()
    assert recognise.main([str(one), "-"]) == 2
    assert f"use {other}" in caplog.text


def test_a_file_comes_in_blocks_that_are_right(model, tmp_path, capsys):
    """MP3: read in blocks with seeking, it has errors after each of them."""
    path = tmp_path / "speech.mp3"
    soundfile.write(path, SAMPLES, 16000)
    samples, _ = soundfile.read(path, dtype="float32")
    assert recognise.main([str(model), str(path), "--quiet"]) == 0
    text = load_recogniser(model).accept(samples, last=True).text
    assert capsys.readouterr().out.splitlines() == [text] != [""]


def test_a_bad_file_among_good_ones(model, tmp_path, capsys, caplog):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, SAMPLES, 16000)
    bad.write_bytes(b"")
    names = [str(bad), str(good), str(tmp_path / "none.wav")]
    assert recognise.main([str(model), *names, "--quiet"]) == 2
    assert capsys.readouterr().out.splitlines() == ["", said(model, SAMPLES), ""]
    assert "bad.wav is empty" in caplog.text and "none.wav is missing" in caplog.text


@pytest.mark.parametrize(
    "value, place, words",
    [
        (np.nan, 20000, "bad.wav holds a NaN or infinite sample at 1.250 s"),
        (np.inf, 24000, "bad.wav holds a NaN or infinite sample at 1.500 s"),
        (3000.0, 5, "bad.wav reaches 3000, the range of integers"),
        (None, 0, "bad.wav has no samples"),
    ],
)
def test_samples_that_are_none(model, tmp_path, capsys, caplog, value, place, words):
    """The messages are those for whole files: with the file, and the time in it."""
    samples = SAMPLES / np.float32(32768)
    samples[place] = value if value is not None else 0.0
    path = tmp_path / "bad.wav"
    soundfile.write(path, samples if value is not None else [], 16000, subtype="FLOAT")
    for options in (["--quiet"], ["--format", "text"]):
        caplog.clear()
        assert recognise.main([str(model), str(path), *options]) == 2
        assert words in caplog.text and capsys.readouterr().out.strip() == ""


def test_an_option_for_whole_files_makes_it_a_model_like_any_other(
    model, tmp_path, capsys
):
    """What was cut out for streaming names that mode, and gives the same text."""
    folder = tmp_path / "asr_a_streaming"
    shutil.copytree(model, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["encoder_conf"]["mode"] = "streaming"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    path, half = tmp_path / "speech.wav", tmp_path / "half.wav"
    soundfile.write(path, SAMPLES, 16000)
    soundfile.write(half, SAMPLES[::2], 8000)
    options = [str(path), str(half), "--format", "text"]
    assert recognise.main([str(folder), *options]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == " ".join(said(model, SAMPLES).split()) and second


@pytest.mark.parametrize("value", ["0", "-1", "1e9", "inf", "nan"])
def test_blocks_that_make_no_sense(model, tmp_path, capsys, caplog, value):
    path = tmp_path / "good.wav"
    soundfile.write(path, SAMPLES, 16000)
    try:
        status = recognise.main([str(model), str(path), "--block_ms", value])
    except SystemExit as error:  # of the parser
        status = error.code
    assert status == 2 and "block_ms" in caplog.text + capsys.readouterr().err
