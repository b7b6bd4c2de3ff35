"""Folders are checked before work, against what the system says of them."""

import os
import stat

import pytest

from espnet_plugin.bin import confidence
from espnet_plugin.errors import UserError
from espnet_plugin.writable import check_writable, usual_mode


def test_a_folder_that_is_not_there_yet_can_be_written(tmp_path):
    check_writable(tmp_path / "a/b", "--output_dir")
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_the_way_is_named(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(UserError, match="--output_dir .*a/b: .*/a is not a folder"):
        check_writable(tmp_path / "a/b", "--output_dir")


def test_a_read_only_folder_is_refused_before_a_model_is_loaded(
    tiny_asr_model, monkeypatch, caplog
):
    """As on a disk that is mounted read-only, which also root cannot write."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    data = str(tiny_asr_model.data_dir)
    assert confidence.main([str(tiny_asr_model.dir), "--data_dir", data]) == 2
    assert "cannot be written; choose another folder" in caplog.text
    assert "utterances" not in caplog.text


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_is_that_of_a_file_that_the_system_makes(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        found = usual_mode(0o666), usual_mode(0o777)
    finally:
        os.umask(before)
    made = ((tmp_path / name).stat().st_mode for name in ("file", "folder"))
    assert found == tuple(map(stat.S_IMODE, made))
