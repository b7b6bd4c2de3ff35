"""What the recipe's tests share: one finished run."""

import os
import shutil
from pathlib import Path

import pytest
from mini_recipe import copy_recipe, run

from espnet_plugin.files import locked


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Stages 1 to 4, and then 5 to 7 from what is there; of all processes of a run."""
    return _finished(tmp_path_factory) / "recipe/mini_an4/encrl1"


@pytest.fixture
def copy(tmp_path_factory, tmp_path):
    """The same, to go on in."""
    kept = _finished(tmp_path_factory) / "kept"
    shutil.copytree(kept, tmp_path / "mini_an4/encrl1", symlinks=True)
    return tmp_path / "mini_an4/encrl1"


def _finished(tmp_path_factory) -> Path:
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "recipe" / "mini_an4/encrl1"
    with locked(base / "recipe"):
        if not (base / "recipe/finished").exists():
            copy_recipe(base / "recipe")
            # As users do: the other tests' commands are forked.
            run(folder, "--stop_stage", "4", warm=False)
            assert not list(folder.glob("exp/*encrl*"))
            run(folder, "--stage", "5", "--stop_stage", "7", warm=False)
            # Of what others may go on in meanwhile, no copy can be made.
            shutil.copytree(folder, base / "kept", symlinks=True)
            (base / "recipe/finished").touch()
    return base
