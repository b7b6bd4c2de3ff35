"""Sound files on standard input are told from samples, whatever samples hold."""

import io

import numpy as np
import pytest
import soundfile

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.sound_stream import (
    is_sound_file,
    read_wav_header,
    stream_head,
)

RNG = np.random.default_rng(0)
WAVE = 0.1 * RNG.standard_normal(16000)


def content(container, subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, WAVE, 16000, format=container, subtype=subtype)
    return stream.getvalue()


def cut(data, size):
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize(
    "container",
    ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "NIST"]
    + ["SVX", "VOC"],
)
@pytest.mark.parametrize("size", [1, 7, 3200])
def test_every_container_is_a_file(container, size):
    data = content(container)
    assert is_sound_file(stream_head(cut(data, size)))


def test_what_libsndfile_does_not_read_is_a_file_too():
    adts = bytes.fromhex("fff15080027ffc") + bytes(12)  # AAC: frames of 19 bytes
    for data in (adts * 300, b"\0\0\0\x20ftypM4A " + bytes(99), b"\x1aE\xdf\xa3" * 9):
        assert is_sound_file(stream_head(cut(data, 3200)))


def test_samples_are_no_file():
    for seed in range(300):
        rng = np.random.default_rng(seed)
        samples = rng.integers(-32768, 32768, 4000).astype("<i2")
        if seed % 2:
            samples[0] = rng.choice([-1025, -3073, -5, -1281])  # as MPEG frames begin
        data = samples.tobytes()
        head = stream_head(cut(data, 3200))
        assert not is_sound_file(head) and data.startswith(head)
    assert (
        not is_sound_file(stream_head(iter([]))) and stream_head(iter([b"ab"])) == b"ab"
    )


def test_a_wav_file_is_taken_as_it_comes():
    data = content("WAV", "PCM_16") + b"LIST\x04\0\0\0abcd"
    pieces = cut(data, 100)
    head = stream_head(pieces)
    assert len(head) == 100  # no more than the header needs
    wav = read_wav_header(head)
    assert (wav.rate, wav.channels) == (16000, 1)
    heard = b"".join(wav.data([head, *pieces]))
    samples, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    assert heard == samples.tobytes()


def test_a_wav_file_that_breaks_off():
    data = content("WAV", "PCM_16")[:20000]
    wav = read_wav_header(data[:100])
    with pytest.raises(
        UserError, match="announces 32000 bytes of audio, but only 19956 arrived"
    ):
        list(wav.data(cut(data, 999)))


def test_others_are_libsndfiles_business():
    for container, subtype in (("WAV", "FLOAT"), ("WAV", "PCM_24"), ("FLAC", None)):
        assert read_wav_header(content(container, subtype)) is None
