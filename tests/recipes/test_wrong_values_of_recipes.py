"""The whole table of wrong values, thrown at every option of encrl.sh at once."""

import re
from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.encrl_checks import check_encrl
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.interrupts import Interrupts
from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions

ROOT = Path(__file__).parents[2]

NO_NUMBER = ["", " ", "x", "1x", "0x10", "nan", "inf", "1 2", "1e999", "9" * 40, "-1"]
NO_WHOLE = [*NO_NUMBER, "1.5", "1e3", "+1", "01"]
NO_NAME = ["", " ", "a b", "a/b", "../a", "-a", "a\tb", "a\nb", "ä", "x" * 101, "a;b"]
NO_SET = ["", "a b", "../a", "a/../b", "-a", "/a", "a;b", "$(id)", "x" * 201]
NO_PATH = ["", "-a", "a,b", "a\nb", "x" * 1001]
NO_WORDS = ["a|b", "a\nb", "x" * 101]

WRONG = {
    "stage": [*NO_WHOLE, "0", "11"],
    "stop_stage": [*NO_WHOLE, "0", "11"],
    **{
        name: [*NO_WHOLE, "0"]
        for name in ("nj", "num_nodes", "decode_nj", "num_threads", "fs", "nbpe")
    },
    "ngpu": NO_WHOLE,
    "seed": [*NO_WHOLE, "4294967296"],
    "reference_seed": [*NO_WHOLE, "4294967296"],
    "encrl_epochs": [*NO_WHOLE[1:], "0"],
    "baseline_epochs": [*NO_WHOLE[1:], "0"],
    "finetune_epochs": NO_WHOLE[1:],
    "min_wav_duration": NO_NUMBER,
    "max_wav_duration": [*NO_NUMBER, "0", "0.1", "0.05"],
    "baseline_lr": [*NO_NUMBER[1:], "0", "."],
    "corpus_hours": [*NO_NUMBER[1:], "0"],
    "speed_perturb_factors": ["x", "0", "-1", "0.9 nan", "0.9 100", "1,1"],
    "tag": NO_NAME,
    "train_set": NO_SET,
    "valid_set": NO_SET,
    "test_sets": ["../a", "test -a", "/a", "a;b"],
    "unlabelled_sets": ["../a", "more -a", "/a"],
    "variant": NO_WORDS,
    "corpus": NO_WORDS,
    **{
        name: NO_PATH
        for name in ("datadir", "dumpdir", "expdir", "results", "results_json")
    },
    "plot_dir": NO_PATH[1:],
    "teacher_cache": NO_PATH[1:],
    "baseline_dir": NO_PATH[1:],
    "python": [""],
    "bad_utterances": ["", "mend", "DROP"],
    "feats_type": ["", "mfcc"],
    "token_type": ["", "word"],
    "sizes": ["", "0", "-1", "6 x", "1.5", "4x", "4x0", "x72"],
    "budget": ["x", "0", "-1M", "1.5Q", "nan", "1M 1M", "70MMAC"],
    "trials": [*NO_WHOLE, "0"],
    "trial_epochs": [*NO_WHOLE, "0"],
    "shape_init": ["", "lastt"],
    "encrl_layers": ["0", "x", "-1", "5"],
    "student_init": ["", "lastt"],
    "objectives": ["clop", "clip clop"],
    "family": ["", "lastt"],
    "finetune": ["", "both"],
    "finetune_alone": ["x", "2:-1", "2:0", "2"],
    "freeze": ["a;b", "encoder,embed"],
    "alone": ["x", "-1", "1.5"],
    "expected_warnings": ["no-kind", "missing-table"],
    "check_audio": ["", "yes"],
    "nlsyms": ["no.txt"],
    "alone_init": ["", "lastt"],
    "alone_freeze": ["a;b", "encoder,embed"],
    "alone_epochs": [*NO_WHOLE[1:], "0"],
    "train_jobs": [*NO_WHOLE, "0"],
    "decoding": ["", "beam"],
    "baselines": ["", "scratsh"],
    "export_targets": ["", "tflite"],
    "reference_config": ["", "no.yaml"],
    "encrl_config": ["", "no.yaml"],
    "finetune_config": ["", "no.yaml"],
    "baseline_training": ["no.yaml"],
    "dry_run": ["", "yes", "1"],
    "direct": ["", "yes", "0"],
    "remeasure_rtf": ["", "yes"],
    "print_option": ["no", "a b", "PATH"],
}
# Handed on whole: what reads them checks them; any text or path is possible.
FREE = """
    local_data_opts estimate_opts encrl_args finetune_args report_opts export_opts hosts
    reference reference_model_file reference_exp asr_recipe recipe_exp recipe_train_set
    recipe_valid_set recipe_test_sets recipe_dump recipe_stats recipe_token_list
    export_models
""".split()

RECIPE = ROOT / "egs2/mini_an4/encrl1"


def check(pairs):
    """Return the message for each option and value, empty if it is taken."""
    family, messages = FAMILIES["encrl"], []
    for name, value in pairs:
        try:
            given = family.read(["--stop_stage", "10", f"--{name}", value])
            check_encrl(complete(given.values))
            if given.values.print_option:
                family.run(given, Interrupts())
        except UserError as error:
            messages.append(str(error))
        else:
            messages.append("")
    return messages


@pytest.fixture(autouse=True)
def in_a_recipe(monkeypatch):
    monkeypatch.chdir(RECIPE)


def test_the_table_has_every_option():
    assert sorted([*WRONG, *FREE]) == sorted(
        o.name for o in options_of(EncrlRecipeOptions)
    )


def test_every_wrong_value_is_refused_by_name():
    pairs = [(name, value) for name, values in WRONG.items() for value in values]
    messages = check(pairs)
    assert len(messages) == len(pairs) > 300
    bad = [
        (name, value, said)
        for (name, value), said in zip(pairs, messages)
        # A size is refused for what is taken of it, too.
        if not re.search(rf"--({name}|stage|sizes)\b", said)
    ]
    assert bad == []
    assert not [said for said in messages if "\n" in said]


@pytest.mark.parametrize(
    "name, value",
    [
        ("nj", "16"),
        ("seed", "4294967295"),
        ("finetune_epochs", "0"),
        ("encrl_epochs", ""),
        ("min_wav_duration", "0"),
        ("max_wav_duration", "1e2"),
        ("speed_perturb_factors", "0.9 1.0 1.1"),
        ("baseline_lr", "2e-3"),
        ("tag", "kl+mse_0.5-b"),
        ("test_sets", "test_clean org/dev"),
        ("variant", "0.5 kl, größer"),
        ("expdir", "/data/my exp"),
    ],
)
def test_right_values_are_taken(name, value):
    assert check([(name, value)]) == [""]
