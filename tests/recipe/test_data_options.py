"""The options of the data stages in families other than EncRL's."""

from dataclasses import replace

import pytest

from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.stages.data_options import options_of_data

# Of both families.
GIVEN = {
    "nj": 3,
    "python": ("python3", "-X", "utf8"),
    "datadir": "d",
    "dumpdir": "f",
    "expdir": "e",
    "train_set": "t",
    "valid_set": "v",
    "test_sets": ("a", "b"),
    "local_data_opts": ("--an4", "x"),
    "fs": 8000,
    "token_type": "bpe",
    "nbpe": 7,
    "nlsyms": "n",
}
# Of dualmode.sh alone.
FURTHER = {
    "speed_perturb_factors": ("0.9", "1.0"),
    "min_wav_duration": "0.3",
    "max_wav_duration": "20",
    "bad_utterances": "drop",
    "check_audio": "none",
    "expected_warnings": ("shared-text",),
}


@pytest.mark.parametrize(
    "family, given",
    [(DualmodeOptions, {**GIVEN, **FURTHER}), (LmpruneOptions, GIVEN)],
)
def test_every_option_of_the_data_is_passed_on_and_no_other(family, given):
    options = replace(family(), **given, num_threads=5)
    found = options_of_data(options, 2, unlabelled_sets=("u",))
    expected = {**given, "stop_stage": 2, "unlabelled_sets": ("u",)}
    assert found == replace(EncrlRecipeOptions(), **expected)


def test_stages_that_were_not_asked_for_are_not_run():
    found = options_of_data(DualmodeOptions(stage=1, stop_stage=1), 3)
    assert (found.stage, found.stop_stage) == (1, 1)
