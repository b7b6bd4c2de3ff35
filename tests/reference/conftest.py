"""An experiment to import."""

import shutil

import pytest
from imported_reference import edit


@pytest.fixture
def experiment(tiny_asr_model, tmp_path, monkeypatch):
    """A recipe folder to change at will; the current folder is another one."""
    folder = tmp_path / "recipe" / "exp" / "asr_big"
    shutil.copytree(tiny_asr_model.dir, folder)
    (tmp_path / "recipe" / "exp" / "stats").mkdir()
    shutil.move(folder / "feats_stats.npz", tmp_path / "recipe" / "exp" / "stats")
    edit(folder, normalize_conf=dict(stats_file="exp/stats/feats_stats.npz"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder
