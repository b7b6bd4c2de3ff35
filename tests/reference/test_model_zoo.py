"""A reference by its name in the model zoo: found once, explained when it is not."""

import shutil
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import torch
from espnet2.main_funcs.pack_funcs import pack

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.reference.importing import import_reference
from espnet_plugin.reference.model_zoo import is_model_name

NAME = "someone/tiny_asr"


def zoo(monkeypatch, download):
    """Put a downloader that needs no network in the place of the real one."""
    package, module = ModuleType("espnet_model_zoo"), ModuleType("downloader")
    module.ModelDownloader = type("ModelDownloader", (), {"download": download})
    monkeypatch.setitem(sys.modules, "espnet_model_zoo", package)
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", module)


def packed(tiny, folder, monkeypatch):
    """Pack as ESPnet's recipes do."""
    recipe = folder / "recipe"
    shutil.copytree(tiny.dir, recipe / "exp/asr_tiny")
    config = recipe / "exp/asr_tiny/config.yaml"
    text = config.read_text().replace(str(tiny.stats), "exp/asr_tiny/feats_stats.npz")
    config.write_text(text)
    with monkeypatch.context() as context:
        context.chdir(recipe)
        pack(
            files={"asr_model_file": f"exp/asr_tiny/{tiny.checkpoint.name}"},
            yaml_files={"asr_train_config": "exp/asr_tiny/config.yaml"},
            option=["exp/asr_tiny/feats_stats.npz"],
            outpath=folder / "packed.zip",
        )
    shutil.rmtree(recipe)
    return folder / "packed.zip"


def hub_cache(archive, folder):
    """Lay the files of a pack out as huggingface_hub does: links to blobs."""
    snapshot = folder / "models--someone--tiny_asr/snapshots/abc"
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir(parents=True)
    with zipfile.ZipFile(archive) as stream:
        for number, name in enumerate(stream.namelist()):
            (blobs / str(number)).write_bytes(stream.read(name))
            path = snapshot / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(blobs / str(number))
    return snapshot


@pytest.mark.parametrize("kind", ["hub", "zip"])
def test_a_name_is_downloaded_once(tiny_asr_model, tmp_path, monkeypatch, kind):
    result = packed(tiny_asr_model, tmp_path, monkeypatch)
    if kind == "hub":
        result = hub_cache(result, tmp_path / "cache")
    asked = []

    def download(self, name):
        asked.append(name)
        return str(result)

    zoo(monkeypatch, download)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second time without a look at the network
        folder = import_reference(Path(NAME), tmp_path / "asr_reference")
    assert asked == [NAME]
    assert read_json(folder / "meta.json")["source"] == NAME
    stored = torch.load(folder / tiny_asr_model.checkpoint.name, weights_only=True)
    expected = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    assert stored.keys() == expected.keys()
    assert all(torch.equal(stored[key], expected[key]) for key in expected)
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_link_out_of_the_cache_is_not_followed(tiny_asr_model, tmp_path, monkeypatch):
    archive = packed(tiny_asr_model, tmp_path, monkeypatch)
    snapshot = hub_cache(archive, tmp_path / "cache")
    (stats,) = snapshot.rglob("feats_stats.npz")
    stats.unlink()
    stats.symlink_to(tiny_asr_model.stats)  # a file of this machine
    zoo(monkeypatch, lambda self, name: str(snapshot))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is not in the archive"):
        import_reference(Path(NAME), tmp_path / "asr_reference")


def test_no_network(tmp_path, monkeypatch):
    def download(self, name):
        raise ConnectionError("the hub cannot be reached\nmore of it")

    zoo(monkeypatch, download)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"does not exist .*\(the hub cannot .* \.zip"):
        import_reference(Path(NAME), tmp_path / "asr_reference")
    assert not list(tmp_path.iterdir())


def test_the_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="pip install espnet_model_zoo, or give"):
        import_reference(Path(NAME), tmp_path / "asr_reference")


def test_what_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp").mkdir()
    names = ("espnet/model", "Some One/asr_raw_valid.acc.best", "espnet/model@v1")
    assert all(map(is_model_name, names))
    paths = ("exp/asr_typo", "/abs/x", "./a/b", "~/a", "a", "a/b/c", "x/model.zip")
    assert not any(map(is_model_name, paths))
