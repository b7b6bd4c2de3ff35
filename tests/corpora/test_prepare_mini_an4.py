"""The eight AN4 utterances of ESPnet's package, to data folders."""

import importlib.metadata
import tarfile
from pathlib import Path

import pytest
import soundfile

from espnet_plugin.bin import prepare_mini_an4


def prepare(folder: Path, *options: str) -> int:
    places = ["--download_dir", f"{folder}/downloads", "--output_dir", f"{folder}/data"]
    return prepare_mini_an4.main([*places, *options])


def test_eight_utterances_and_the_same_again(tmp_path):
    def contents():
        return {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    assert prepare(tmp_path) == 0
    lines = {
        name: (tmp_path / "data" / name / "wav.scp").read_text().splitlines()
        for name in ("train", "dev", "test")
    }
    assert [len(each) for each in lines.values()] == [5, 1, 2]
    paths = {line.split()[1] for each in lines.values() for line in each}
    assert len(paths) == 8
    assert {soundfile.info(path).samplerate for path in paths} == {16000}
    # The recording that the archive's own lists leave out.
    text = (tmp_path / "data/train/text").read_text()
    assert "fash-cen7-fash-b TWO SIX EIGHT FOUR FOUR ONE EIGHT" in text
    first = contents()
    assert prepare(tmp_path) == 0
    assert contents() == first


def test_an_archive_of_ones_own_must_be_whole(tmp_path, caplog):
    archive = tmp_path / "downloads.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, "downloads/other")
    assert prepare(tmp_path, "--archive", str(archive)) == 2
    assert "has no folder downloads/an4" in caplog.text
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("installed", [True, False], ids=["another", "none"])
def test_espnet_without_the_archive(tmp_path, monkeypatch, caplog, installed):
    class Other(importlib.metadata.Distribution):
        version = "202511"

        def read_text(self, filename):
            return None

        def locate_file(self, path):
            return tmp_path / "site-packages" / path

    def find(name):
        if not installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return Other()

    monkeypatch.setattr(importlib.metadata, "distribution", find)
    assert prepare(tmp_path) == 2
    assert "--archive" in caplog.text
    assert ("espnet 202511 does not contain" in caplog.text) == installed
