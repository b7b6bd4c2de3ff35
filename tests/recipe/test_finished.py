"""Which stages the dry run counts as finished."""

from dataclasses import replace
from pathlib import Path

import pytest

from espnet_plugin.recipe.dry_run import dry_run_words
from espnet_plugin.recipe.finished import finished_stages
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.shape import Shape

OPTIONS = EncrlRecipeOptions(
    sizes=(Shape(2), Shape(1)),
    reference_exp="exp/asr_reference",
    encrl_layers=2,
    corpus_hours="1",
)
# What each stage leaves last.
LEFT = {
    2: [
        "dump/raw/train/done.json",
        "dump/raw/dev/done.json",
        "dump/raw/test/done.json",
    ],
    3: ["exp/asr_stats_raw_char/.done"],
    4: ["exp/asr_reference/meta.json"],
    5: ["exp/encrl_encrl_s1/done.json"],
    6: ["exp/asr_encrl_s1_2l/done.json", "exp/asr_encrl_s1_1l/done.json"],
    7: [
        f"exp/{model}/decode_best_path/{name}/score.json"
        for model in ("asr_reference", "asr_encrl_s1_2l", "asr_encrl_s1_1l")
        for name in ("dev", "test")
    ],
    8: ["exp/asr_scratch_s1_2l/done.json", "exp/asr_scratch_s1_1l/done.json"],
}


def leave(file):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text("{}")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("stage", LEFT)
def test_a_stage_is_finished_with_its_last_file(stage):
    *some, last = LEFT[stage]
    for file in some:
        leave(file)
    assert finished_stages(Layout(OPTIONS)) == []
    leave(last)
    assert finished_stages(Layout(OPTIONS)) == [stage]
    words = dry_run_words(OPTIONS)
    assert words[words.index("--finished") + 1] == str(stage)


def test_all_and_what_a_budget_leaves_open():
    for files in LEFT.values():
        for file in files:
            leave(file)
    assert finished_stages(Layout(OPTIONS)) == list(LEFT)
    assert finished_stages(Layout(replace(OPTIONS, sizes=()))) == [2, 3, 4]


def test_statistics_with_an_imported_reference():
    """They hold lengths, so the recipe's kind of tokens is not in their name."""
    imported = Layout(replace(OPTIONS, reference="/models/bpe500"))
    assert imported.stats == "exp/asr_stats_raw_imported"
    assert Layout(OPTIONS).stats == "exp/asr_stats_raw_char"
    Path("exp/asr_stats_raw_char").mkdir(parents=True)  # by an earlier version
    assert imported.stats == "exp/asr_stats_raw_char"
    Path("exp/asr_stats_raw_imported").mkdir()
    assert imported.stats == "exp/asr_stats_raw_imported"
