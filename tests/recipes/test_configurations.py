"""Configurations of the recipes: where they are, and that each says what it is for."""

import re
from pathlib import Path

import pytest

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
        "dualmode1": ["dualmode/train_an4", "train_reference"],
        "lmprune1": ["lmprune/train_lm_an4", "train_reference"],
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
