"""Configurations of the recipes: where they are, and that each says what it is for."""

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.option_checks import check_file
from espnet_plugin.yaml_files import read_yaml

ROOT = Path(__file__).parents[2]
RECIPES = sorted(one for one in ROOT.glob("egs2/*/*1") if one.parent.name != "TEMPLATE")


def test_every_configuration_begins_with_what_it_is_for():
    found = [
        file
        for folder in (ROOT / "conf", *(one / "conf" for one in RECIPES))
        for file in folder.rglob("*.yaml")
    ]
    assert len(found) > 100
    assert [file for file in found if not file.read_text().startswith("# ")] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: "/".join(one.parts[-2:]))
def test_what_a_recipe_names_is_in_its_conf(recipe):
    assert [one for one in recipe.rglob("*") if not one.exists()] == []
    for script in recipe.glob("run*.sh"):
        named = re.findall(r"(?<= )conf/[\w/]+\.yaml", script.read_text())
        assert [name for name in named if not (recipe / name).is_file()] == [], script
    # The defaults of every recipe are there as well.
    defaults = {
        "encrl1": ["train_reference", "train_encrl", "finetune_ctc", "train_ctc"],
        "dualmode1": ["dualmode/train", "train_reference"],
        "lmprune1": ["lmprune/train_lm", "train_reference"],
    }[recipe.name]
    for name in defaults:
        assert (recipe / f"conf/{name}.yaml").is_file(), name


@pytest.mark.parametrize("corpus", ["an4", "mini_synth", "librispeech_100"])
def test_what_was_chosen_on_a_corpus_is_in_its_recipe(corpus):
    folder = ROOT / "egs2" / corpus / "encrl1/conf"
    own = [one.name for one in folder.glob("*.yaml") if not one.is_symlink()]
    assert len(own) >= 3
    if corpus != "an4":  # whose files the general ones began as
        assert not {one.name for one in (ROOT / "conf").glob("*.yaml")} & set(own)


def test_the_roots_conf_names_no_corpus():
    corpora = {one.parent.name for one in RECIPES}
    named = [file.stem for file in (ROOT / "conf").rglob("*.yaml")]
    assert len(named) > 50
    assert [one for one in named if corpora & {one, one.split("_", 1)[-1]}] == []
    assert [one for one in named if re.search(r"(^|_)an4(_|$)", one)] == []


# As they were named when these files were in the repository's conf/.
OLD = """
conf/dualmode/train_an4.yaml conf/lmprune/train_lm_an4.yaml
""".split()


@pytest.mark.parametrize("name", OLD)
def test_an_old_name_says_where_the_file_is_now(name, tmp_path):
    """In any recipe: conf/ of own ones is a link to the root's."""
    assert not (ROOT / name).exists()
    for given in (name, str(tmp_path / name)):
        for refuse in (read_yaml, partial(check_file, "train_config")):
            with pytest.raises(UserError) as refused:
                refuse(given)
            said = str(refused.value)
            assert said.count("\n") == 0 and f"config {given} is missing" in said
            where = re.search(r"moved to (\S+\.yaml)", said)
            assert where and Path(where[1]).is_file()
            assert Path(where[1]).name == Path(name).name


@pytest.mark.parametrize(
    "recipe, name",
    [
        ("an4/dualmode1", "conf/dualmode/train_an4.yaml"),
        ("an4/lmprune1", "conf/lmprune/train_lm_an4.yaml"),
    ],
)
def test_in_the_recipe_that_it_is_for_an_old_name_is_good(recipe, name):
    assert read_yaml(ROOT / "egs2" / recipe / name)


@pytest.mark.parametrize("name", ["tiny_reference", "tiny_encrl", "tiny_ctc"])
def test_a_new_recipe_can_try_itself_with_the_smallest_models(name, tmp_path):
    """Reports of faults name them so, in a folder that setup.sh has made."""
    setup = ROOT / "egs2/TEMPLATE/encrl1/setup.sh"
    subprocess.run([setup, tmp_path / "my/encrl1"], check=True, capture_output=True)
    assert read_yaml(tmp_path / "my/encrl1/conf" / f"{name}.yaml")


@pytest.mark.parametrize("script", sorted(ROOT.glob("egs2/*/*/run*.sh")), ids=str)
def test_a_signal_to_the_script_reaches_the_stages(script):
    """It is replaced by what it calls: nothing is left that only waits for it."""
    lines = script.read_text().splitlines()
    called = [one for one in lines if re.match(r"(exec )?\./\w+\.sh ", one)]
    assert len(called) == 1 and called[0].startswith("exec ./")
