"""What the recipe's tests share: one finished run."""

import pytest
from mini_recipe import copy_recipe, run


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Stages 1 to 4, and then 5 to 7 from what is there."""
    folder = copy_recipe(tmp_path_factory.mktemp("recipe"))
    run(folder, "--stop_stage", "4")
    assert not list(folder.glob("exp/*encrl*"))
    run(folder, "--stage", "5", "--stop_stage", "7")
    return folder
