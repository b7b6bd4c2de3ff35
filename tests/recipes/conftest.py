"""What the recipe's tests share: one finished run."""

import os

import pytest
from mini_recipe import copy_recipe, run

from espnet_plugin.files import locked


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Stages 1 to 4, and then 5 to 7 from what is there; of all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "recipe" / "mini_an4/encrl1"
    with locked(base / "recipe"):
        if not (base / "recipe/finished").exists():
            copy_recipe(base / "recipe")
            run(folder, "--stop_stage", "4")
            assert not list(folder.glob("exp/*encrl*"))
            run(folder, "--stage", "5", "--stop_stage", "7")
            (base / "recipe/finished").touch()
    return folder
