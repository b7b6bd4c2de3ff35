"""Everything that can be wrong with an audio file is said."""

import numpy as np
import pytest
import soundfile

from espnet_plugin.data.audio import read_audio
from espnet_plugin.errors import UserError

RATE = 16000


@pytest.fixture
def wave():
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(RATE // 2)).clip(-0.9, 0.9).astype(np.float32)


@pytest.mark.parametrize(
    "file_format, name", [("WAV", "a.wav"), ("FLAC", "a.flac"), ("NIST", "a.sph")]
)
def test_reads(tmp_path, wave, file_format, name):
    path = tmp_path / name
    soundfile.write(path, wave, RATE, format=file_format, subtype="PCM_16")
    if file_format == "NIST":
        assert path.read_bytes().startswith(b"NIST_1A")
    samples = read_audio(str(path), RATE)
    assert samples.dtype == np.float32 and samples.shape == wave.shape
    np.testing.assert_allclose(samples, wave, atol=1 / 32768)


def test_reads_a_sphere_file_made_by_hand(tmp_path):
    """As the LDC and CMU write them: an ASCII header of 1024 bytes, then samples."""
    fields = {
        "channel_count": "-i 1",
        "sample_count": "-i 400",
        "sample_rate": f"-i {RATE}",
        "sample_n_bytes": "-i 2",
        "sample_byte_format": "-s2 01",
        "sample_sig_bits": "-i 16",
        "sample_coding": "-s3 pcm",
    }
    lines = "".join(f"{name} {value}\n" for name, value in fields.items())
    header = f"NIST_1A\n   1024\n{lines}end_head\n".encode()
    values = (1000 * np.sin(np.arange(400) / 9)).astype("<i2")
    path = tmp_path / "a.sph"
    path.write_bytes(header.ljust(1024) + values.tobytes())
    np.testing.assert_array_equal(
        read_audio(str(path), RATE), values.astype(np.float32) / 32768
    )


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def refuse(path, what):
    with pytest.raises(UserError, match=what) as caught:
        read_audio(str(path), RATE)
    assert str(path) in str(caught.value)


def test_refuses_what_is_no_audio(tmp_path, wave):
    refuse(tmp_path / "missing.wav", "does not exist")
    refuse(tmp_path, "does not exist")
    (tmp_path / "text.wav").write_text("hello")
    refuse(tmp_path / "text.wav", "cannot be read as audio")
    (tmp_path / "nothing.wav").write_bytes(b"")
    refuse(tmp_path / "nothing.wav", "cannot be read as audio")
    whole = write(tmp_path / "whole.flac", wave)
    (tmp_path / "half.flac").write_bytes(whole.read_bytes()[:3000])
    refuse(tmp_path / "half.flac", "is damaged or truncated")


def test_refuses_a_pipe(tmp_path):
    with pytest.raises(UserError, match="sph2pipe.*is a command, not a file"):
        read_audio("sph2pipe -f wav a.sph |", RATE)


def test_refuses_samples_that_are_no_speech(tmp_path, wave):
    refuse(write(tmp_path / "empty.wav", wave[:0]), "has no sample")
    refuse(write(tmp_path / "zeros.wav", 0 * wave), "is silent")
    refuse(write(tmp_path / "offset.wav", 0 * wave + 0.25), "is silent")
    dither = np.random.default_rng(0).integers(-1, 2, 999) / 32768
    refuse(write(tmp_path / "dither.wav", dither, subtype="PCM_16"), "is silent")
    wave[7] = np.nan
    refuse(write(tmp_path / "nan.wav", wave, subtype="FLOAT"), "NaN or infinite")
    wave[7] = np.inf
    refuse(write(tmp_path / "inf.wav", wave, subtype="FLOAT"), "NaN or infinite")


def test_quiet_speech_is_no_silence(tmp_path, wave):
    path = write(tmp_path / "quiet.wav", wave * 0.002)
    assert len(read_audio(str(path), RATE)) == len(wave)


def test_refuses_another_form(tmp_path, wave):
    path = write(tmp_path / "8k.wav", wave, 8000)
    refuse(path, "has 8000 Hz, not 16000.*--fs 8000")
    stereo = np.stack([wave, wave], 1)
    refuse(write(tmp_path / "stereo.wav", stereo), "has 2 channels")


@pytest.mark.parametrize("scale, good", [(2.0, True), (32768.0, False)])
def test_floats_in_the_range_of_integers(tmp_path, wave, scale, good):
    path = tmp_path / "a.wav"
    soundfile.write(path, scale * wave, RATE, subtype="FLOAT")
    if good:
        assert np.array_equal(read_audio(str(path), RATE), soundfile.read(path)[0])
    else:
        with pytest.raises(UserError, match="range of integers.*divide them by 32768"):
            read_audio(str(path), RATE)
