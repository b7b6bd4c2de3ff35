"""Files that were cut off while they were copied, of every container we know."""

import numpy as np
import pytest
import soundfile

from espnet_plugin.data.audio import read_audio
from espnet_plugin.data.surplus import surplus
from espnet_plugin.errors import UserError

RATE = 16000
KINDS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "GSM610"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("AU", "G721_32"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("SVX", "PCM_16"),
    ("VOC", "PCM_16"),
    ("MAT4", "FLOAT"),
]


@pytest.fixture(scope="module")
def wave():
    return 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)


@pytest.mark.parametrize("container, subtype", KINDS)
def test_a_whole_file_is_read_and_a_cut_one_refused(tmp_path, wave, container, subtype):
    path = tmp_path / "a"
    rate = 8000 if container == "VOC" else RATE  # libsndfile writes no other
    soundfile.write(path, wave, rate, format=container, subtype=subtype)
    assert abs(len(read_audio(str(path), rate)) - len(wave)) < 1500
    content = path.read_bytes()
    for share in (0.9, 0.5):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(UserError, match=r"truncated|cannot be read as audio"):
            read_audio(str(path), rate)


@pytest.mark.parametrize("container, subtype", KINDS)
def test_whole_files_of_any_length_are_whole(tmp_path, wave, container, subtype):
    # Blocks, padding bytes and chunks that end on odd bytes.
    path = tmp_path / "a"
    rate = 8000 if container == "VOC" else RATE
    for length in (1601, 3200, 3521, 8000, 8001):
        soundfile.write(path, wave[:length], rate, format=container, subtype=subtype)
        assert abs(len(read_audio(str(path), rate)) - length) < 1500


@pytest.mark.parametrize("blocks", [24, 25])
def test_gsm_that_lacks_a_block_is_refused(tmp_path, wave, blocks):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave[: 320 * blocks], RATE, subtype="GSM610")
    content = path.read_bytes()
    for lost in (66, 65, 33, 3):
        path.write_bytes(content[:-lost])
        with pytest.raises(UserError, match="truncated"):
            read_audio(str(path), RATE)


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_that_a_pipe_could_not_know_is_none(tmp_path, wave, length):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, RATE)
    content = bytearray(path.read_bytes())
    content[40:44] = length.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read_audio(str(path), RATE)) == len(wave)


def test_a_segment_after_the_end(tmp_path, wave):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, RATE)
    assert len(read_audio(str(path), RATE, 1.0, 3.2)) == 2 * RATE
    with pytest.raises(UserError, match="3.00 s long, but its segment ends at 4 s"):
        read_audio(str(path), RATE, 1.0, 4.0)
    with pytest.raises(UserError, match="no samples after 5 s: it is only 3.00 s"):
        read_audio(str(path), RATE, 5.0, 6.0)


def test_a_position_in_an_archive_is_named_as_such():
    with pytest.raises(UserError, match="position in the archive data/wav.1.ark"):
        read_audio("data/wav.1.ark:13", RATE)


def _announce(path, length):
    """Give a WAV or FLAC file another length in its header, in bytes or samples."""
    content = bytearray(path.read_bytes())
    if content[:4] == b"RIFF":
        content[40:44] = length.to_bytes(4, "little")
    else:
        # The last 36 bits of the 8 bytes at 18.
        old = int.from_bytes(content[18:26], "big")
        content[18:26] = (old >> 36 << 36 | length).to_bytes(8, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("length", [0, 2 * RATE, 5 * RATE])
def test_a_wav_file_with_more_audio_than_announced(tmp_path, wave, length):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, RATE)
    _announce(path, length)
    with pytest.raises(UserError, match=f"after the {length} bytes of audio"):
        read_audio(str(path), RATE)


@pytest.mark.parametrize("after", [b"\0" * 2000, b"TAG" + b"x" * 125, b"x"])
def test_what_programs_put_after_the_audio_is_no_audio(tmp_path, wave, after):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, RATE)
    path.write_bytes(path.read_bytes() + after)
    assert len(read_audio(str(path), RATE)) == len(wave)


@pytest.mark.parametrize("length", [100, RATE, 3 * RATE - 1])
def test_a_flac_file_with_more_samples_than_announced(tmp_path, wave, length):
    path = tmp_path / "a.flac"
    soundfile.write(path, wave, RATE)
    _announce(path, length)
    assert soundfile.info(path).frames == length
    with pytest.raises(UserError, match=f"has {3 * RATE} samples, but .* {length}"):
        read_audio(str(path), RATE)


def test_flac_bytes_that_only_look_like_a_frame_header(tmp_path, wave):
    """Compressed audio contains every sequence of bytes, also reserved block sizes."""
    path = tmp_path / "a.flac"
    soundfile.write(path, wave, RATE)
    chance = np.random.RandomState(0)
    like = b"".join(
        bytes([0xFF, 0xF8 | fixed, code << 4 | rate, 0, number]) + chance.bytes(20)
        for fixed in (0, 1)
        for code in range(16)
        for rate in (0, 12, 13, 14, 15)
        for number in (0, 0x80, 0xC2, 0xFE, 0xFF)
    )
    path.write_bytes(path.read_bytes() + like)
    assert surplus(path) is None


def test_a_flac_file_from_a_pipe_has_no_length(tmp_path, wave):
    path = tmp_path / "a.flac"
    soundfile.write(path, wave, RATE)
    _announce(path, 0)
    with pytest.raises(UserError, match="does not say in its header how long it is"):
        read_audio(str(path), RATE)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"<!DOCTYPE html><html>404 Not Found</html>", "a text file, not audio"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x1f\x8b\x08\0" + bytes(99), "gzip"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "an MP4 or M4A file"),
        (bytes(range(256)), "bare samples"),
        (b"", "it is empty"),
        (
            b"NIST_1A\n   1024\nsample_count -i 9\n",
            "SPHERE header is truncated: copy it again",
        ),
    ],
)
def test_what_is_no_audio_is_named(tmp_path, content, says):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"cannot be read as audio: .*{says}"):
        read_audio(str(path), RATE)


@pytest.mark.parametrize(
    "folder", ["truncated", "Data length : 9 (should be 3)", "data : 96000 should be 5"]
)
def test_the_name_of_a_file_says_nothing_about_its_length(tmp_path, wave, folder):
    # libsndfile's log, in which the lengths are found, begins with the file's name.
    path = tmp_path / folder / "truncated.wav"
    path.parent.mkdir()
    soundfile.write(path, wave, RATE)
    assert len(read_audio(str(path), RATE)) == len(wave)
