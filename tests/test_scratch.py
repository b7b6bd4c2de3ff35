"""Temporary folders: whose process has ended, they are removed by the next one."""

import os
import subprocess
import sys
import time

import pytest

from espnet_plugin.scratch import exchange_folders, scratch_folder

WAITING = """
import sys, time
from pathlib import Path
from espnet_plugin.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as made:
    (made / "half.pth").write_bytes(bytes(1000))
    print(made, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Another process, with a folder for the same result that is two minutes old."""
    words = [sys.executable, "-c", WAITING, str(tmp_path / "result")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    made = process.stdout.readline().strip()
    os.utime(made, (time.time() - 120,) * 2)
    yield process
    process.kill()
    process.wait()


def hidden(tmp_path):
    return sorted(one.name for one in tmp_path.iterdir() if one.name[0] == ".")


def test_it_is_gone_afterwards(tmp_path):
    for failing in (False, True):
        try:
            with scratch_folder(tmp_path / "new/result") as made:
                (made / "file").touch()
                assert made.parent == tmp_path / "new"
                if failing:
                    raise ValueError
        except ValueError:
            assert failing
        assert list((tmp_path / "new").iterdir()) == []


def test_it_may_be_renamed_to_the_result(tmp_path):
    with scratch_folder(tmp_path / "result") as made:
        (made / "file").touch()
        made.rename(tmp_path / "result")
    assert [one.name for one in tmp_path.rglob("*")] == ["result", "file"]


def test_what_a_killed_process_left_is_removed(tmp_path, other):
    assert len(hidden(tmp_path)) == 1
    other.kill()
    other.wait()
    assert len(hidden(tmp_path)) == 1
    with scratch_folder(tmp_path / "result") as made:
        assert hidden(tmp_path) == [made.name]
    assert hidden(tmp_path) == []


def test_what_a_living_process_needs_stays(tmp_path, other):
    (theirs,) = hidden(tmp_path)
    with scratch_folder(tmp_path / "result") as made:
        assert hidden(tmp_path) == sorted([theirs, made.name])
    assert hidden(tmp_path) == [theirs]
    assert (tmp_path / theirs / "half.pth").stat().st_size == 1000


def test_nothing_else_is_removed(tmp_path):
    """Neither copies of a user nor a younger folder, perhaps not locked yet."""
    names = [
        ".result.20260101",
        ".result.unfinished.of_mine",
        ".other.unfinished.abcdefgh",
    ]
    young = ".result.unfinished.abcdefgh"
    for name in (*names, young):
        (tmp_path / name).mkdir()
    for name in names:
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".result.unfinished.a_file_8").touch()
    before = hidden(tmp_path)
    with scratch_folder(tmp_path / "result"):
        pass
    assert hidden(tmp_path) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can")
def test_two_folders_are_exchanged(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange_folders(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one/other").exists() and (tmp_path / "other/one").exists()
    assert not exchange_folders(tmp_path / "one", tmp_path / "missing")
    assert (tmp_path / "one/other").exists()
