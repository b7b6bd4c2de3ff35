"""Words for a command are checked before the first stage of a recipe runs."""

from dataclasses import replace

import pytest
from mini_recipe import copy_recipe, run

from espnet_plugin.bin.check_options import check_words
from espnet_plugin.errors import UserError
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
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
        (EncrlRecipeOptions(), (1, 10), []),
        (LmpruneOptions(), (1, 8), []),
        (
            EncrlRecipeOptions(
                encrl_args=("--a", "1"), report_opts="--b 'c 6'", encrl_config="e.yaml"
            ),
            (5, 9),
            [
                "check_options encrl_args encrl_train --config e.yaml -- --a 1",
                "check_options report_opts report -- --b c 6",
            ],
        ),
        # What no wanted stage gets is not looked at.
        (EncrlRecipeOptions(encrl_args=("--a", "1")), (6, 7), []),
        (
            DualmodeOptions(
                train_args=("--a", "1"), export_opts="--int8", train_config="t.yaml"
            ),
            (8, 10),
            [
                "check_options export_opts export -- --int8",
                "check_options train_args dual_mode_train --config t.yaml -- --a 1",
            ],
        ),
    ],
)
def test_which_words_are_checked(options, stages, started):
    runner, (first, last) = Notes(), stages
    check_passed_on(replace(options, stage=first, stop_stage=last), runner)
    assert sorted(runner.started) == started


@pytest.mark.parametrize(
    "words, says",
    [
        ("--optim_conf lr=-1", "optim_conf {'lr': -1, 'betas'.* of adam: .*rate: -1"),
        ("--optim_conf lrr=1", "optim adam has no option lrr; did you mean lr"),
        # The configuration says which optimiser it is for.
        ("--optim sgd", "optim sgd has no option betas"),
        ("--batch_size 0", "batch_size 0: must be a whole number, 1 or more"),
        ("--student_encoder_conf {linear_units: 16}", "split at spaces"),
        ("--optim_conf lr=0.5 --batch_size 4", ""),
    ],
)
def test_values_are_those_of_a_configuration(tmp_path, words, says):
    config = tmp_path / "train.yaml"
    config.write_text("{optim: adam, optim_conf: {lr: 0.1, betas: [0.9, 0.98]}}")
    call = ("encrl_args", "encrl_train", words.split(), config)
    if not says:
        check_words(*call)
        return
    with pytest.raises(UserError, match=f"--encrl_args.*{says}"):
        check_words(*call)


def test_a_recipe_stops_before_its_first_stage(tmp_path):
    recipe = copy_recipe(tmp_path)
    wrong = ["--stage", "2", "--stop_stage", "5", "--encrl_args", "--max_epok 3"]
    done = run(recipe, *wrong, check=False)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "--encrl_args: error: unknown option --max_epok 3" in said
    assert "Stage 2" not in said and not (recipe / "dump").exists()
