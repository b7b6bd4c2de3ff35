"""Reading files of any kind block by block, and what is wrong with them."""

import io
import os

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.audio import AudioReader

RATE = 16000


def tone(seconds=12.3, rate=RATE, frequency=440.0):
    times = np.arange(int(seconds * rate)) / rate
    envelope = 0.5 + 0.4 * np.sin(2 * np.pi * 0.7 * times)
    return (0.5 * envelope * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def read(path, **options):
    with AudioReader(str(path), RATE, **options) as audio:
        return np.concatenate(list(audio.blocks())), audio.notes


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_what_libsndfile_reads(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(), RATE)
    samples, notes = read(path)
    assert samples.dtype == np.float32 and notes == []
    # In one piece: an MP3 read in blocks with seeking has errors as large as the tone.
    expected, _ = soundfile.read(path, dtype="float32")
    assert samples.shape == expected.shape
    assert np.abs(samples - expected).max() < 1e-6
    assert np.abs(samples[2000:-2000] - tone()[2000 : len(samples) - 2000]).max() < 0.05


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampled_in_blocks_as_if_it_were_whole(tmp_path, rate):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate=rate), rate, subtype="FLOAT")
    samples, (note,) = read(path)
    assert note.startswith(f"resampled from {rate} to 16000 Hz")
    assert ("no sound above" in note) == (rate < RATE)
    up, down = np.array([RATE, rate]) // np.gcd(RATE, rate)
    expected = resample_poly(tone(rate=rate).astype(np.float64), up, down)
    assert len(samples) == len(expected)
    assert np.abs(samples - expected).max() < 1e-5
    # It is still the tone; the ends ring.
    known = tone()[: len(samples)]
    inner = slice(100, len(known) - 100)
    assert np.abs(samples[: len(known)] - known)[inner].max() < 5e-3


def test_several_channels(tmp_path):
    path = tmp_path / "two.wav"
    left, right = tone(frequency=300), tone(frequency=500)
    soundfile.write(path, np.stack([left, right], 1), RATE, subtype="FLOAT")
    samples, (note,) = read(path)
    assert "the mean of its 2 channels" in note
    assert np.allclose(samples, (left + right) / 2, atol=1e-6)
    for channel, expected in ((1, left), (2, right)):
        samples, notes = read(path, channel=channel)
        assert np.allclose(samples, expected, atol=1e-6) and notes == []
    for channel in (0, 3):
        with pytest.raises(UserError, match=f"--channel {channel}: .*has 2 channel"):
            read(path, channel=channel)


def test_channels_that_cancel_each_other(tmp_path):
    path = tmp_path / "opposite.wav"
    soundfile.write(path, np.stack([tone(), -tone()], 1), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="opposite.wav: its 2 channels cancel"):
        read(path)
    assert np.allclose(read(path, channel=2)[0], -tone(), atol=1e-6)
    # Two silent ones are no reason to complain, nor is one.
    for channels in (1, 2):
        soundfile.write(path, np.zeros((RATE, channels)), RATE)
        assert not read(path)[0].any()


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_truncated_files(tmp_path, suffix):
    path = tmp_path / f"half.{suffix}"
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE)
    soundfile.write(path, noise, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=f"half.{suffix}.*(truncated|damaged|cannot)"):
        read(path)


def test_a_wav_file_from_a_pipe_announces_no_length(tmp_path):
    stream = io.BytesIO()
    soundfile.write(stream, tone(), RATE, format="WAV")
    content = bytearray(stream.getvalue())
    place = content.find(b"data") + 4
    content[4:8] = content[place : place + 4] = b"\xff\xff\xff\xff"
    path = tmp_path / "piped.wav"
    path.write_bytes(content)
    samples, notes = read(path)
    assert len(samples) == len(tone()) and notes == []


def test_samples_that_are_no_numbers(tmp_path):
    for value in (np.nan, np.inf):
        signal = tone()
        signal[9 * RATE] = value
        path = tmp_path / "nan.wav"
        soundfile.write(path, signal, RATE, subtype="FLOAT")
        with pytest.raises(UserError, match="nan.wav holds a NaN .* at 9.000 s"):
            read(path)


def test_floats_in_the_range_of_integers(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, 32768 * tone(), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="loud.wav reaches .*divide them by 32768"):
        read(path)
    # A loud recording that goes beyond 1 is none.
    soundfile.write(path, 4 * tone(), RATE, subtype="FLOAT")
    assert np.abs(read(path)[0]).max() > 1.5


def test_a_name_that_is_not_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    soundfile.write(os.fsencode(path), tone(), RATE, format="WAV")
    assert len(read(path)[0]) == len(tone())


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_a_header_with_a_rate_that_cannot_be(tmp_path, rate):
    """At 1 Hz a second of audio would be hours, at 2 GHz a filter would fill memory."""
    soundfile.write(tmp_path / "a.wav", tone(), rate)
    with pytest.raises(UserError, match=f"a.wav: its header says {rate} Hz"):
        read(tmp_path / "a.wav")


def test_what_is_no_audio(tmp_path):
    empty, text, none = (tmp_path / name for name in ("a.wav", "b.wav", "c.wav"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    empty.write_bytes(b"")
    text.write_text("no sound at all")
    video, cut = tmp_path / "e.mp4", tmp_path / "f.wav"
    video.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(99))
    cut.write_bytes(b"RIFF\x24\0\0\0WAVEfm")
    soundfile.write(none, np.zeros(0), RATE)
    for path, message in (
        (empty, r"a.wav is empty \(0 bytes\)"),
        (text, "b.wav cannot be read as audio: it is a text file"),
        (video, "e.mp4 cannot be read as audio: it is an MP4 or M4A file.*ffmpeg"),
        (cut, "f.wav cannot be read as audio.*WAV, FLAC, MP3, OGG"),
        (none, "c.wav has no samples"),
        (tmp_path / "d.wav", "d.wav is missing"),
        (tmp_path, "is a folder"),
        (pipe, "is a pipe or a device.*into a file first"),
    ):
        with pytest.raises(UserError, match=message):
            read(path)


def test_an_empty_path_is_not_taken_for_this_folder():
    with pytest.raises(UserError, match="a path is empty"):
        AudioReader("", 16000)
