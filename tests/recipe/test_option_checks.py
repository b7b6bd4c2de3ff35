"""Checks of single options of recipes."""

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.option_checks import check_file, check_named_files
from espnet_plugin.yaml_files import read_yaml


@pytest.mark.parametrize("name", ["conf", "conf/"])
def test_a_folder_is_not_missing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    with pytest.raises(UserError, match=f"--pretrained {name} is a folder: name a"):
        check_file("pretrained", name)
    with pytest.raises(UserError, match="--encrl_config conf is a folder: name a"):
        read_yaml(name, "--encrl_config")
    for value in ("conf/a.yaml", ""):
        with pytest.raises(UserError, match="is missing"):
            check_file("pretrained", value)


def test_a_path_is_no_name(tmp_path):
    """The folder of a model would be one in another folder."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/one.yaml").write_text("")
    check_named_files("rows", ("one",), f"{tmp_path}/rows")
    with pytest.raises(UserError, match="--rows ../rows/one: must be the name of a"):
        check_named_files("rows", ("../rows/one",), f"{tmp_path}/rows")
