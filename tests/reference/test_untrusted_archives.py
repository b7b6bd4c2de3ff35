"""Packed references that run code, write elsewhere, or are damaged."""

import os
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from espnet2.tasks.asr import ASRTask
from imported_reference import Malicious, NAME, assert_refused, edit, edit_state, packed

from espnet_plugin.checkpoints import archive


def test_never_runs_code_of_a_reference(experiment, monkeypatch, tmp_path):
    victim = tmp_path / "owned"
    edit_state(experiment, lambda state: state.update(evil=Malicious(victim)))
    assert_refused(experiment, "pickled code")
    assert_refused(packed(experiment, monkeypatch, tmp_path / "e.zip"), "pickled code")
    shutil.copy(experiment / NAME, tmp_path / "evil.pth")
    stats = experiment.parent / "stats" / "feats_stats.npz"
    values = np.array([Malicious(victim)], dtype=object)
    np.savez(stats, count=values, sum=values, sum_square=values)
    edit_state_without_evil(experiment)
    assert_refused(experiment, "feats_stats.npz cannot be read")
    path = experiment / "config.yaml"
    path.write_text(
        path.read_text() + f"x: !!python/object/apply:os.mkdir ['{victim}']\n"
    )
    assert_refused(experiment, "plain YAML")
    assert not victim.exists()
    with pytest.raises(Exception):  # the trap works where code is run
        torch.load(tmp_path / "evil.pth", weights_only=False)["no"]
    assert victim.exists()


def edit_state_without_evil(folder):
    """Write the checkpoint again; it cannot be read with what is in it."""
    config = folder / "config.yaml"
    text = config.read_text()
    edit(folder, normalize=None)
    args_model, _ = ASRTask.build_model_from_file(config)
    config.write_text(text)
    state = args_model.state_dict()
    state["normalize.mean"] = state["normalize.std"] = torch.ones(20)
    torch.save(state, folder / NAME)


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "a/../../evil", "a\\..\\..\\evil", "c:/evil", "//evil"]
)
def test_an_archive_cannot_write_elsewhere(experiment, monkeypatch, tmp_path, name):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    with zipfile.ZipFile(zip_file, "a") as opened:
        opened.writestr(zipfile.ZipInfo(name), "owned")
    assert_refused(zip_file, "outside of the folder")
    assert not [path for path in tmp_path.rglob("*evil*")]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_an_archive_cannot_hold_links_or_devices(
    experiment, monkeypatch, tmp_path, kind
):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    info = zipfile.ZipInfo("exp/link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(zip_file, "a") as opened:
        opened.writestr(info, "/etc/hostname")
    assert_refused(zip_file, "a link or a device")


def test_an_archive_cannot_fill_the_disk(experiment, monkeypatch, tmp_path):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    with zipfile.ZipFile(zip_file, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(8 * 2**20))
    usage = shutil.disk_usage(tmp_path)._replace(free=70 * 2**20)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda path: usage)
    assert_refused(zip_file, "MiB are free")


def test_a_foreign_configuration_cannot_take_our_files(
    experiment, monkeypatch, tmp_path
):
    secret = tmp_path / "secret.npz"
    shutil.copy(experiment.parent / "stats" / "feats_stats.npz", secret)
    for value in (str(secret), "../../../secret.npz"):
        edit(experiment, normalize_conf=dict(stats_file=value))
        zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
        assert_refused(zip_file, "does not exist|leads outside the archive")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_refuses_a_truncated_archive(experiment, monkeypatch, tmp_path, kept):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    os.truncate(zip_file, int(zip_file.stat().st_size * kept))
    assert_refused(zip_file, "is not a zip file or is truncated")


def test_refuses_a_damaged_archive(experiment, monkeypatch, tmp_path):
    zip_file = packed(experiment, monkeypatch, tmp_path / "model.zip")
    content = bytearray(zip_file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    zip_file.write_bytes(content)
    assert_refused(zip_file, "is not a zip file or is truncated")


def test_refuses_archives_of_something_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("other.zip", "w") as opened:
        opened.writestr("readme.txt", "hello")
    assert_refused("other.zip", "has no config.yaml")
    Path("model.tar").write_text("")
    assert_refused("model.tar", "neither a folder nor a .zip")
