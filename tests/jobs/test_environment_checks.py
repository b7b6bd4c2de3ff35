"""What this machine can do is looked at before hours are spent."""

from collections import namedtuple
from importlib import metadata

import pytest
import torch

from espnet_plugin.bin import check_environment as command
from espnet_plugin.errors import UserError
from espnet_plugin.jobs import environment
from espnet_plugin.jobs.environment import check_folders, check_gpus, check_versions

Usage = namedtuple("Usage", "total used free")


def test_more_gpus_than_there_are(monkeypatch):
    for there, says in (
        (0, "no GPUs on this machine: give --ngpu 0"),
        (1, "1 GPU on this machine: give"),
    ):
        monkeypatch.setattr(torch.cuda, "device_count", lambda there=there: there)
        with pytest.raises(UserError, match=f"--ngpu 2: torch finds {says}"):
            check_gpus(2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_gpus(2)


def test_folders_are_left_as_they_were(tmp_path):
    check_folders([tmp_path / "exp/deep", tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/exp cannot be written"):
        check_folders([tmp_path / "file/exp"])
    # Nobody, root neither, makes files there.
    with pytest.raises(UserError, match="/proc/self/exp cannot be written .*--expdir"):
        check_folders(["/proc/self/exp"])


def test_room(tmp_path, monkeypatch, caplog):
    def free(count):
        usage = Usage(10**12, 0, count)
        monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: usage)

    free(50 * 10**6)
    with pytest.raises(UserError, match="exp: only 50 MB are free on its disk"):
        check_folders([tmp_path / "exp"])
    free(10**9)
    check_folders([tmp_path / "exp"])
    assert "only 1.0 GB are free" in caplog.text
    caplog.clear()
    free(10**11)
    check_folders([tmp_path / "exp"])
    assert not caplog.text


def test_versions(monkeypatch, caplog):
    check_versions()
    assert not caplog.text
    monkeypatch.setattr(environment, "version", lambda name: "202301")
    check_versions()
    assert "ESPnet 202301 is installed" in caplog.text

    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", none)
    with pytest.raises(UserError, match="ESPnet is not installed"):
        check_versions()


def test_the_command(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert command.main(["--folders", str(tmp_path)]) == 0
    assert command.main(["--ngpu", "1"]) == 2
    assert "--ngpu 1: torch finds no GPUs" in caplog.text
