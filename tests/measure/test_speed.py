"""The real-time factor is of the encoder, on the threads that were asked for."""

import json
import os
import signal
import statistics
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_asr import build_tiny_asr

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.jobs.evaluate import measure_speed
from espnet_plugin.measure import memory
from espnet_plugin.measure import speed as speed_module
from espnet_plugin.measure.parameters import count_nonzero, count_parameters
from espnet_plugin.measure.speed import count_macs, encoder_rtf, write_rtf
from espnet_plugin.measure.workload import speech_like_noise


@pytest.fixture(scope="module")
def model(tiny_asr_model):
    return load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)[0]


def test_measures_the_time_of_the_forward_pass(model, monkeypatch):
    encode, calls = model.encode, []

    def slow_encode(speech, lengths):
        calls.append((tuple(speech.shape), lengths.tolist(), torch.get_num_threads()))
        assert torch.is_inference_mode_enabled() and not model.training
        # The warm-up is not to be counted.
        time.sleep(0.5 if len(calls) == 1 else 0.05)
        return encode(speech, lengths)

    monkeypatch.setattr(model, "encode", slow_encode)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = encoder_rtf(model.train(), 16000, audio_seconds=0.5, runs=5)
        assert torch.get_num_threads() == 2 and model.training
    finally:
        torch.set_num_threads(threads)
        model.eval()
    assert calls == [((1, 8000), [8000], 1)] * 6
    assert len(result["runs"]) == 5
    assert result["encoder_rtf"] == statistics.median(result["runs"])
    assert 0.1 <= result["encoder_rtf"] < 0.5
    assert result["threads"] == 1 and result["audio_seconds"] == 0.5
    assert len(result["load_average"]) == 3 and result["cpu"]


def test_threads_are_restored_after_an_error(model, monkeypatch):
    def fail(speech, lengths):
        raise RuntimeError("no")

    monkeypatch.setattr(model, "encode", fail)
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        encoder_rtf(model, 16000, 0.5, threads=before + 1)
    assert torch.get_num_threads() == before and not model.training


@pytest.mark.parametrize(
    "change", [dict(audio_seconds=0), dict(threads=0), dict(runs=0)]
)
def test_refuses_numbers_that_are_not_positive(model, change):
    with pytest.raises(UserError, match=next(iter(change))):
        encoder_rtf(model, 16000, **change)


def test_noise_is_like_speech():
    wave = speech_like_noise(16000, 2.0).numpy()
    assert wave.shape == (32000,) and wave.dtype == np.float32
    assert 0.25 < np.abs(wave).max() <= 0.3001
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(32000, 1 / 16000)
    assert power[hertz < 1000].sum() > 3 * power[hertz > 1000].sum()
    again = speech_like_noise(16000, 2.0).numpy()
    assert np.array_equal(wave, again)


def test_counts_parameters(model):
    counts = count_parameters(model)
    assert counts["ctc"] == 16 * 30 + 30
    assert counts["total"] == sum(v for k, v in counts.items() if k != "total")


def test_counts_what_is_not_zero(model):
    total = count_parameters(model)["total"]
    weight = model.ctc.ctc_lo.weight
    kept = weight.detach().clone()
    before = count_nonzero(model)
    assert 0.9 * total < before <= total
    try:
        with torch.no_grad():
            weight[:5] = 0.0
        assert count_nonzero(model) == before - 5 * 16
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_macs_are_those_of_the_layers(model, monkeypatch):
    """Replaced by one linear layer, whose products can be counted by hand."""
    layer = torch.nn.Linear(40, 16)
    monkeypatch.setattr(
        model, "encode", lambda speech, lengths: (layer(speech.view(1, -1, 40)), None)
    )
    # 2 s of 16 kHz: 800 frames of 40 samples, and the CTC layer's 16 x 30.
    expected = 800 * (40 * 16 + 16 * 30) / 2.0
    assert count_macs(model, 16000, 2.0) == expected
    assert not model.training


def test_macs_of_a_real_encoder_grow_with_it(model, tmp_path):
    small = count_macs(model, 16000, 2.0)
    # Attention makes the second of a longer utterance dearer.
    assert small < count_macs(model, 16000, 4.0) < 2 * small
    tiny = build_tiny_asr(tmp_path, num_blocks=6)
    large, _ = load_asr_model(tiny.config, tiny.checkpoint)
    assert small < count_macs(large, 16000, 2.0) < 2 * small


def test_peak_memory_is_not_known_where_the_process_fails(tmp_path, caplog):
    assert memory.peak_memory_mb(tmp_path, "model.pth") is None
    assert "peak memory could not be measured" in caplog.text


def _measuring_processes() -> list[int]:
    """Return the numbers of the processes that this one has started to measure."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            ours = f"PPid:\t{os.getpid()}\n" in status.read_text()
            command = status.with_name("cmdline").read_bytes()
        except OSError:  # gone meanwhile
            continue
        if ours and b"espnet_plugin.measure.memory" in command:
            found.append(int(status.parent.name))
    return found


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc"
)
def test_one_process_measures_all_models(tiny_asr_model):
    name = tiny_asr_model.checkpoint.name
    memory.peak_memory_mb(tiny_asr_model.dir, name, 1)
    (first,) = _measuring_processes()
    memory.peak_memory_mb(tiny_asr_model.dir, name, 1)
    assert _measuring_processes() == [first]
    # A dead one is replaced.
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert memory.peak_memory_mb(tiny_asr_model.dir, name, 1) is not None
    (second,) = _measuring_processes()
    assert second != first


def test_peak_memory_grows_with_the_length(tiny_asr_model):
    name = tiny_asr_model.checkpoint.name
    short, long = (
        memory.peak_memory_mb(tiny_asr_model.dir, name, seconds) for seconds in (5, 60)
    )
    assert 0 < short < long < 2000


@pytest.fixture
def no_process(monkeypatch):
    """Without a process of its own, which imports ESPnet for many seconds."""
    calls = []

    def pretend(*args):
        calls.append(args)
        return 12.5

    monkeypatch.setattr(speed_module, "peak_memory_mb", pretend)
    return calls


def test_writes_rtf_json(tmp_path, no_process):
    tiny = build_tiny_asr(tmp_path)
    path = write_rtf(tiny.dir, audio_seconds=0.5, runs=3)
    result = read_json(path)
    assert path == tiny.dir / "rtf.json"
    assert set(result) >= {
        "encoder_rtf",
        "runs",
        "threads",
        "audio_seconds",
        "load_average",
        "cpu",
    }
    assert 0 < result["encoder_rtf"] < 5
    state = torch.load(tiny.checkpoint, weights_only=True)
    buffers = ("running", "num_batches", "normalize", "melmat")
    expected = sum(
        v.numel() for k, v in state.items() if not any(b in k for b in buffers)
    )
    assert result["parameters"]["total"] == expected
    assert 0.9 * expected < result["params_nonzero"] <= expected
    assert result["file_bytes"] == tiny.checkpoint.stat().st_size
    assert result["checkpoint"] == tiny.checkpoint.name
    assert result["macs_per_audio_second"] > expected
    assert result["peak_memory_mb"] == 12.5
    assert no_process == [(tiny.dir, tiny.checkpoint.name, 0.5, 1)]
    write_rtf(tiny.dir, audio_seconds=0.25)  # finished
    assert read_json(path) == result
    write_rtf(tiny.dir, audio_seconds=0.25, runs=2, overwrite=True)
    assert read_json(path)["audio_seconds"] == 0.25


def test_the_speed_of_the_same_model_is_not_measured_again(tmp_path, no_process):
    tiny = build_tiny_asr(tmp_path)

    def measure(name=None):
        number = len(no_process)
        write_rtf(tiny.dir, name, audio_seconds=0.25, runs=1)
        return len(no_process) > number

    assert measure() and not measure()
    path = tiny.dir / "rtf.json"
    # Copied without its times to another machine, where the checkpoint is newer.
    os.utime(path, (1, 1))
    assert not measure()
    config = tiny.config.read_text()
    tiny.config.write_text("# mine\n" + config)
    assert not measure()
    # Other weights, that are older than the figures (cp -p, rsync -a).
    state = torch.load(tiny.checkpoint, weights_only=True)
    name = next(k for k, v in state.items() if v.is_floating_point())
    state[name] = state[name] + 1
    torch.save(state, tiny.checkpoint)
    os.utime(tiny.checkpoint, (1, 1))
    assert measure() and not measure()
    # Another checkpoint of the folder; then a figure that a power cut has left empty.
    torch.save(state, tiny.dir / "other.pth")
    assert measure("other.pth") and not measure("other.pth")
    path.write_text("")
    assert measure("other.pth")
    # An earlier version recorded no digests.
    known = read_json(path)
    del known["measured"]
    path.write_text(json.dumps(known))
    os.utime(path, (9e9, 9e9))
    assert not measure("other.pth")
    os.utime(path, (1, 1))
    assert measure("other.pth")


def test_a_model_of_features_is_given_features(tiny_asr_model, tmp_path, no_process):
    """As after ``--feats_type fbank``: no front end, ``input_size`` set."""
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config.update(input_size=20, frontend=None, frontend_conf={})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    state = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    state = {k: v for k, v in state.items() if not k.startswith("frontend.")}
    torch.save(state, tmp_path / "valid.cer_ctc.ave.pth")
    result = read_json(write_rtf(tmp_path, audio_seconds=1.0, runs=2))
    assert result["encoder_rtf"] > 0


def test_an_encrl_run_is_passed_over(tmp_path):
    """Stage 9 names every folder with meta.json to be timed again."""
    (tmp_path / "meta.json").write_text('{"method": "encrl_pretrain"}')
    measure_speed(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]
