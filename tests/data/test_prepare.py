"""Stage 2 on a corpus of noise: what it writes, refuses and does not do twice."""

import errno
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from espnet2.train.dataset import ESPnetDataset
from noise_corpus import RATE, SECONDS, TEXT, change, make_corpus, noise

from espnet_plugin.data import prepare
from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.data.kaldi import read_data_dir, seconds
from espnet_plugin.data.prepare import format_set
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path)


def run(corpus, target, training=True, known_tokens=None, **options):
    format_set(
        corpus, target, FormatOptions(**options), list, known_tokens, training=training
    )
    return target


def test_raw_names_the_files_as_they_are(corpus, tmp_path):
    target = run(corpus, tmp_path / "dump")
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        assert (target / name).read_text() == (corpus / name).read_text()
    lengths = read_pairs(target / "utt2num_samples")
    assert lengths == {u: str(round(s * RATE)) for u, s in SECONDS.items()}
    assert (target / "feats_type").read_text() == "raw\n"
    assert not list((target / "data").iterdir())


def test_speed_perturbation(corpus, tmp_path):
    target = run(corpus, tmp_path / "dump", speeds=(0.9, 1.0, 1.1), nj=2)
    data = read_data_dir(target)
    lengths = read_pairs(target / "utt2num_samples")
    assert len(data.audio) == len(lengths) == 9
    for utt, length in SECONDS.items():
        for factor in (0.9, 1.1):
            copy = f"sp{factor}-{utt}"
            samples, rate = soundfile.read(data.audio[copy])
            assert rate == RATE and len(samples) == int(lengths[copy])
            assert len(samples) == pytest.approx(length * RATE / factor, abs=2)
            assert data.text[copy] == TEXT[utt]
            assert data.utt2spk[copy] == f"sp{factor}-{utt[0]}"
    assert list(data.audio) == sorted(data.audio)
    test = run(corpus, tmp_path / "test", training=False, speeds=(0.9, 1.0, 1.1))
    assert list(read_pairs(test / "wav.scp")) == sorted(SECONDS)


def test_speed_moves_the_pitch(tmp_path, corpus):
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    soundfile.write(tmp_path / "b-1.wav", tone, RATE)
    target = run(corpus, tmp_path / "dump", speeds=(1.0, 1.25))
    samples, _ = soundfile.read(read_pairs(target / "wav.scp")["sp1.25-b-1"])
    peak = np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples)
    assert peak == pytest.approx(1250, abs=3)


def test_a_copy_must_not_replace_an_utterance_of_its_name(corpus, tmp_path):
    for name in ("wav.scp", "text", "utt2spk"):
        change(corpus, name, "sp0.9-a-1", read_pairs(corpus / name)["b-1"])
    with pytest.raises(UserError, match="sp0.9-a-1: .* the copy of a-1 at speed 0.9"):
        run(corpus, tmp_path / "dump", speeds=(0.9, 1.0), drop_bad=True)
    # Without such copies it is a name like others.
    target = run(corpus, tmp_path / "dump", speeds=(1.0, 1.1))
    assert len(read_pairs(target / "text")) == 8
    assert read_pairs(target / "text")["sp0.9-a-1"] == TEXT["b-1"]


def test_no_utterance_is_left_and_why(corpus, tmp_path):
    with pytest.raises(UserError, match="are left. Give other --min_wav_duration"):
        run(corpus, tmp_path / "dump", max_seconds=0.2)
    for drop in (False, True):
        with pytest.raises(UserError, match="In lower case 3 transcripts would be"):
            run(corpus, tmp_path / "dump", True, set("onetwhr "), drop_bad=drop)


@pytest.mark.parametrize("time", ["1.5", "+1.5", ".5", "2.", "1.5e+02", "1E-3", "-0.1"])
def test_times_as_programs_write_them(time):
    assert seconds(time) == float(time)


@pytest.mark.parametrize("time", ["0_1", "0,3", "00:00:01", "1e", "\u0661", "nan"])
def test_a_time_of_a_segment_that_is_no_plain_number(corpus, tmp_path, time):
    for utt in TEXT:
        with (corpus / "segments").open("a") as stream:
            stream.write(f"{utt} {utt} 0.1 {time if utt == 'a-2' else 0.4}\n")
    with pytest.raises(UserError, match=f"a-2: .*'{time}' is not a number of seconds"):
        read_data_dir(corpus)


def test_length_filter_is_for_training_only(corpus, tmp_path, caplog):
    options = dict(min_seconds=0.6, max_seconds=1.0)
    assert list(read_pairs(run(corpus, tmp_path / "a", **options) / "text")) == ["a-2"]
    assert "2 utterance(s)" in caplog.text
    test = run(corpus, tmp_path / "b", training=False, **options)
    assert len(read_pairs(test / "text")) == 3
    with pytest.raises(UserError, match="no usable utterances"):
        run(corpus, tmp_path / "c", min_seconds=2.0)


def test_bad_utterances_are_errors_all_at_once(corpus, tmp_path):
    soundfile.write(tmp_path / "a-1.wav", 0 * noise(0.5), RATE)
    (tmp_path / "b-1.wav").unlink()
    with pytest.raises(UserError) as caught:
        run(corpus, tmp_path / "dump", speeds=(0.9, 1.0))
    message = str(caught.value)
    assert "2 bad utterance(s)" in message and "--bad_utterances drop" in message
    assert "a-1.wav is silent" in message and "b-1.wav does not exist" in message
    assert not (tmp_path / "dump" / "done.json").exists()
    assert not (tmp_path / "dump" / "wav.scp").exists()


def test_bad_utterances_can_be_dropped(corpus, tmp_path, caplog):
    soundfile.write(tmp_path / "a-1.wav", 0 * noise(0.5), RATE)
    target = run(corpus, tmp_path / "dump", speeds=(0.9, 1.0), drop_bad=True)
    for name in ("wav.scp", "text", "utt2spk", "utt2num_samples"):
        assert set(read_pairs(target / name)) == {
            "a-2", "b-1", "sp0.9-a-2", "sp0.9-b-1"
        }  # fmt: skip
    assert "a-1 left out" in caplog.text and "is silent" in caplog.text


def test_too_short_for_ctc(corpus, tmp_path):
    # 0.5 s: 51 frames, 12 after conv2d.
    change(corpus, "text", "a-1", "ABCDEFGHIJKL")
    run(corpus, tmp_path / "fits", hop_length=160)
    change(corpus, "text", "a-1", "ABCDEFGHIJKK")  # a blank between
    with pytest.raises(
        UserError, match="gives? 12 frames after conv2d, but CTC needs 13"
    ):
        run(corpus, tmp_path / "dump", hop_length=160)
    run(corpus, tmp_path / "other", hop_length=160, input_layer="conv2d1")
    # A recogniser may be tested on it; it will just be wrong.
    run(corpus, tmp_path / "test", hop_length=160, training=False)
    target = run(corpus, tmp_path / "drop", hop_length=160, drop_bad=True)
    assert sorted(read_pairs(target / "text")) == ["a-2", "b-1"]


def test_a_fast_copy_that_is_too_short_is_left_out_quietly(corpus, tmp_path):
    change(corpus, "text", "a-1", "ABCDEFGHIJKL")
    target = run(corpus, tmp_path / "dump", hop_length=160, speeds=(0.9, 1.0, 1.2))
    names = set(read_pairs(target / "text"))
    assert {"a-1", "sp0.9-a-1", "sp1.2-a-2"} <= names and "sp1.2-a-1" not in names


def test_no_frame_at_all_is_an_error_for_any_set(corpus, tmp_path):
    soundfile.write(tmp_path / "a-1.wav", noise(0.01), RATE)
    with pytest.raises(UserError, match="a-1: 0.01 s give 0 frames"):
        run(corpus, tmp_path / "dump", training=False)


@pytest.mark.parametrize("change_one", ["text", "audio", "options", "tokens"])
def test_is_done_once_and_redone_when_something_changed(
    corpus, tmp_path, monkeypatch, change_one
):
    target = run(corpus, tmp_path / "dump", feats_type="fbank", known_tokens=set())
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in target.rglob("*.*")}
    with monkeypatch.context() as patched:
        patched.setattr(prepare, "ProcessPoolExecutor", None)
        run(corpus, target, feats_type="fbank", known_tokens=set(), nj=3)
    after = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in target.rglob("*.*")}
    # That it was looked at again is noted, for later stages.
    seen = target / ".seen"
    assert after.pop(seen)[0] > before.pop(seen)[0]
    assert after == before
    options, known = {"feats_type": "fbank"}, None
    if change_one == "text":
        change(corpus, "text", "a-1", "NINE")
    elif change_one == "audio":
        soundfile.write(tmp_path / "a-1.wav", noise(0.7), RATE)
    elif change_one == "options":
        options["num_mel_bins"] = 40
    else:
        known = set("ONETWHR")  # lacks the space of a-2
        with pytest.raises(UserError, match=r"a-2: 'TWO ONE' has \[' '\]"):
            run(corpus, target, known_tokens=known, **options)
        return
    run(corpus, target, known_tokens=known, **options)
    if change_one == "text":
        assert read_pairs(target / "text")["a-1"] == "NINE"
    else:
        shape = read_pairs(target / "feats_shape")["a-1"]
        assert shape == ("70,80" if change_one == "audio" else "50,40")


@pytest.mark.parametrize("feats_type", ["raw", "fbank"])
@pytest.mark.parametrize("emptied", [False, True])
@pytest.mark.parametrize("lost", ["text", "lengths", "audio"])
def test_is_written_again_where_a_file_of_it_is_lost(
    corpus, tmp_path, caplog, feats_type, lost, emptied
):
    caplog.set_level(logging.INFO)
    options = {"feats_type": feats_type, "speeds": (0.9, 1.0)}
    target = run(corpus, tmp_path / "dump", **options)
    raw = feats_type == "raw"
    scp = "wav.scp" if raw else "feats.scp"
    lengths = "utt2num_samples" if raw else "feats_shape"
    path = {
        "text": target / "text",
        "lengths": target / lengths,
        "audio": Path(read_pairs(target / scp)["sp0.9-a-1"]),
    }[lost]
    whole = path.read_bytes()
    path.unlink()
    if emptied:
        path.touch()
    run(corpus, target, **options)
    assert path.read_bytes() == whole and f"{path} is missing or" in caplog.text
    caplog.clear()
    run(corpus, target, **options)
    assert "is already finished" in caplog.text


def test_is_written_again_where_its_record_is_damaged(corpus, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    target = run(corpus, tmp_path / "dump")
    record = target / "done.json"
    whole = record.read_bytes()
    record.write_bytes(b"")  # as after a power cut
    run(corpus, target)
    assert record.read_bytes() == whole and "done.json is damaged" in caplog.text


def test_the_option_that_differs_is_named(corpus, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run(corpus, tmp_path / "dump", max_seconds=20.0)
    for options, said in (
        ({"max_seconds": 25.0}, "a different max_seconds (was 20.0, is 25.0)"),
        ({"max_seconds": 25.0, "nj": 2}, "is already finished"),
        (
            {"max_seconds": 25.0, "speeds": (0.9, 1.0)},
            "a different speeds (was [1.0], is [0.9, 1.0])",
        ),
    ):
        caplog.clear()
        run(corpus, tmp_path / "dump", **options)
        assert said in caplog.text
    change(corpus, "text", "a-1", "ONE ONE")
    caplog.clear()
    run(corpus, tmp_path / "dump", **options)
    assert "because its tables or tokens have changed" in caplog.text


def test_an_interrupted_run_is_not_taken_for_finished(corpus, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "write_set", fail)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "dump")
    monkeypatch.undo()
    target = run(corpus, tmp_path / "dump")
    assert len(read_pairs(target / "wav.scp")) == 3


class TestFbank:
    def test_equals_torchaudio_with_kaldis_defaults(self, corpus, tmp_path):
        target = run(corpus, tmp_path / "dump", feats_type="fbank", num_mel_bins=23)
        assert (target / "feats_type").read_text() == "fbank\n"
        assert not (target / "wav.scp").exists()
        for utt, path in read_pairs(target / "feats.scp").items():
            samples, _ = soundfile.read(tmp_path / f"{utt}.wav", dtype="int16")
            expected = torchaudio.compliance.kaldi.fbank(
                torch.from_numpy(samples).float()[None],  # on the 16-bit scale
                num_mel_bins=23,
                frame_length=25.0,
                frame_shift=10.0,
                low_freq=20.0,
                high_freq=0.0,
                window_type="povey",
                preemphasis_coefficient=0.97,
                dither=0.0,
                snip_edges=False,
                sample_frequency=RATE,
            ).numpy()
            features = np.load(path)
            assert features.dtype == np.float32
            np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-4)
            # One frame per 10 ms, rounded, without snipped edges.
            assert len(features) == round(SECONDS[utt] * 100)
            assert read_pairs(target / "feats_shape")[utt] == f"{len(features)},23"

    def test_a_louder_tone_is_higher_in_its_own_bin(self):
        time = np.arange(RATE) / RATE
        tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
        quiet, loud = (kaldi_fbank(g * tone, RATE, 80) for g in (0.1, 0.2))
        # Twice the amplitude is four times the power.
        best = loud[50].argmax()
        assert loud[50, best] - quiet[50, best] == pytest.approx(np.log(4), abs=1e-3)
        mel = 1127 * np.log(1 + np.array([20, 1000, 8000]) / 700)
        assert best == pytest.approx(
            80 * (mel[1] - mel[0]) / (mel[2] - mel[0]), abs=1.5
        )

    def test_espnet_loads_it(self, corpus, tmp_path):
        target = run(corpus, tmp_path / "dump", feats_type="fbank", speeds=(0.9, 1.0))
        dataset = ESPnetDataset([(str(target / "feats.scp"), "speech", "npy")])
        shapes = read_pairs(target / "feats_shape")
        assert len(shapes) == 6
        for utt, shape in shapes.items():
            frames, bins = dataset[utt][1]["speech"].shape
            assert f"{frames},{bins}" == shape

    def test_frames_are_counted_as_they_are(self, corpus, tmp_path):
        # 0.51 s: 51 frames of fbank; the centred STFT would have given 52.
        soundfile.write(tmp_path / "a-1.wav", noise(0.51), RATE)
        change(corpus, "text", "a-1", "ABCDEFGHIJKL")
        run(corpus, tmp_path / "fits", feats_type="fbank")
        soundfile.write(tmp_path / "a-1.wav", noise(0.50), RATE)
        with pytest.raises(UserError, match="give 11 frames.*needs 12"):
            run(corpus, tmp_path / "dump", feats_type="fbank")


@pytest.mark.parametrize("feats_type", ["raw", "fbank"])
def test_a_full_disk_leaves_no_half_file(corpus, tmp_path, monkeypatch, feats_type):
    target = tmp_path / "dump"
    real = os.replace

    def full(old, new):
        if Path(new).parent == target / "data" and "a-2" in str(new):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(old, new)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="No space left on device.*Free some space"):
        run(corpus, target, feats_type=feats_type, speeds=(0.9, 1.0))
    monkeypatch.undo()
    left = list((target / "data").iterdir())
    assert not [p for p in left if "a-2" in p.name or p.name.startswith(".")]
    for path in left:  # whole ones may stay
        np.load(path) if feats_type == "fbank" else soundfile.read(path)
    assert not (target / "done.json").exists()
    run(corpus, target, feats_type=feats_type, speeds=(0.9, 1.0))
    assert len(read_pairs(target / "text")) == 6


@pytest.mark.parametrize(
    "options, what",
    [
        ({"feats_type": "mfcc"}, "--feats_type mfcc"),
        ({"speeds": (0.9,)}, "--speed_perturb_factors"),
        ({"speeds": (1.0, 0.0)}, "--speed_perturb_factors"),
        ({"min_seconds": 3.0, "max_seconds": 2.0}, "--min_wav_duration 3.0"),
    ],
)
def test_bad_options(options, what):
    with pytest.raises(UserError, match=what):
        FormatOptions(**options)
