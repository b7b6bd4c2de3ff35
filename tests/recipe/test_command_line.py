"""A recipe's command line: what is said of options that do not exist."""

import ast
import re
from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.families import FAMILIES


@pytest.mark.parametrize(
    "given, meant",
    [
        ("--student_inti", "--student_init?"),
        ("--stag", "--stage?"),
        ("--test-set", "--test_sets?"),
        ("--zzz", None),
    ],
)
def test_a_typo_names_what_was_meant(given, meant):
    with pytest.raises(UserError) as refused:
        FAMILIES["encrl"].read([given, "1"])
    said = str(refused.value)
    assert given in said and "--help" in said
    assert ("did you mean" in said) == (meant is not None)
    assert meant is None or meant in said


INNER = re.compile(r"\b(encrl|dualmode|lmprune|recipe)\.sh\b")


def test_an_option_of_other_recipes_is_known():
    with pytest.raises(
        UserError, match="--dry_run: only recipes of encrl.sh have this"
    ):
        FAMILIES["dualmode"].read(["--dry_run", "true"])
    with pytest.raises(UserError, match="encrl.sh and dualmode.sh"):
        FAMILIES["lmprune"].read(["--teacher_cache", "x"])


def test_an_option_without_a_value_says_which_there_are():
    with pytest.raises(UserError, match="--dry_run needs a value: true.false"):
        FAMILIES["encrl"].read(["--dry_run"])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_said_names_the_script_that_was_called(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text(f'exec ./{family}.sh "$@"\n')
    said = FAMILIES[family].help()
    assert "Usage: ./run.sh " in said and not INNER.search(said)
    for given in (["--zzz", "1"], ["zzz"]):
        with pytest.raises(UserError) as refused:
            FAMILIES[family].read(given)
        assert "(see ./run.sh --help)" in str(refused.value)


def test_beside_a_run_sh_of_another_recipe_its_own_script_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text('exec ./encrl.sh "$@"\n')
    assert "Usage: lmprune.sh " in FAMILIES["lmprune"].help()


def test_no_message_of_the_recipes_names_a_script_of_the_template():
    """Docstrings may; of what is printed only the first lines of families are paths."""
    folder = Path(__file__).parents[2] / "espnet_plugin"
    found = []
    for file in [*folder.glob("recipe/**/*.py"), *folder.glob("bin/*.py")]:
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.search(INNER.pattern + " ", node.value):
                    found.append((file.name, node.value))
    # Classes and modules that are not shown to users.
    quoted = re.compile(r"``(encrl|dualmode|lmprune)\.sh``")
    assert [one for one in found if not quoted.search(one[1])] == []
