"""Words for a command are checked before the first stage of a recipe runs."""

from dataclasses import replace

import pytest
from mini_recipe import copy_recipe, run

from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.passed_on import check_passed_on


class Notes:
    """Stands in for the runner: notes what it would start."""

    def __init__(self):
        self.started = []

    def python(self, *words):
        return list(words)

    def here(self, words):
        self.started.append(" ".join(words))


@pytest.mark.parametrize(
    "options, stages, started",
    [
        (EncrlOptions(), (1, 10), []),
        (LmpruneOptions(), (1, 8), []),
        (
            EncrlOptions(encrl_args=("--a", "1"), report_opts="--b 'c 6'"),
            (5, 9),
            [
                "check_options encrl_args encrl_train -- --a 1",
                "check_options report_opts report -- --b c 6",
            ],
        ),
        # What no wanted stage gets is not looked at.
        (EncrlOptions(encrl_args=("--a", "1")), (6, 7), []),
        (
            DualmodeOptions(train_args=("--a", "1"), export_opts="--int8"),
            (8, 10),
            [
                "check_options export_opts export -- --int8",
                "check_options train_args dual_mode_train -- --a 1",
            ],
        ),
    ],
)
def test_which_words_are_checked(options, stages, started):
    runner, (first, last) = Notes(), stages
    check_passed_on(replace(options, stage=first, stop_stage=last), runner)
    assert sorted(runner.started) == started


def test_a_recipe_stops_before_its_first_stage(tmp_path):
    recipe = copy_recipe(tmp_path)
    wrong = ["--stage", "2", "--stop_stage", "5", "--encrl_args", "--max_epok 3"]
    done = run(recipe, *wrong, check=False)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "--encrl_args: error: unknown option --max_epok 3" in said
    assert "Stage 2" not in said and not (recipe / "dump").exists()
