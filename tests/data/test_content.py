"""The content of tables and of what they name, as stages compare it."""

import os

import pytest

from espnet_plugin.data.content import Contents
from espnet_plugin.errors import UserError


def test_digests_are_read_once(tmp_path):
    audio, table = tmp_path / "a.wav", tmp_path / "wav.scp"
    audio.write_bytes(b"RIFF")
    table.write_text(f"a {audio}\n")
    first = Contents(tmp_path / "cache")
    said = first.table(table)
    first.save()
    text = (tmp_path / "cache").read_text()
    digest = text.split()[0]
    # A digest that is no file's: it can only come from the cache.
    (tmp_path / "cache").write_text(text.replace(digest, "0" * len(digest)))
    assert Contents(tmp_path / "cache").table(table) != said
    os.utime(audio, (1, 1))
    assert Contents(tmp_path / "cache").table(table) == said
    assert said.startswith("1 utterances, ")


def test_an_archive_counts_with_the_place_in_it(tmp_path):
    archive, table = tmp_path / "a.ark", tmp_path / "wav.scp"
    archive.write_bytes(b"0123456789")
    said = set()
    for place in ("3", "4", "4[0:2]"):
        table.write_text(f"a {archive}:{place}\n")
        said.add(Contents().table(table, "kaldi_ark"))
    archive.write_bytes(b"0123456780")
    said.add(Contents().table(table, "kaldi_ark"))
    assert len(said) == 4


def test_audio_that_is_missing_is_named_and_no_difference(tmp_path):
    for utt in ("a", "b"):
        (tmp_path / f"{utt}.wav").write_bytes(b"RIFF")
    table = tmp_path / "wav.scp"
    table.write_text(f"a {tmp_path}/a.wav\nb {tmp_path}/b.wav\nc sox c.sph |\n")
    before = Contents().table(table)
    (tmp_path / "b.wav").rename(tmp_path / "elsewhere.wav")
    with pytest.raises(UserError, match=r"wav.scp names 1 file\(s\) .* b: .*b.wav"):
        Contents().table(table)
    (tmp_path / "elsewhere.wav").rename(tmp_path / "b.wav")
    assert Contents().table(table) == before
