"""The language model recipe on the eight real utterances, stage after stage."""

import json
import shutil

import pytest
import yaml
from mini_recipe import copy_recipe, run

from espnet_plugin.lm.record import Decoded, LMRecord, Measured

pytestmark = pytest.mark.slow
MODELS = [
    *("lm_cut_first_order_50_k50_s1", "lm_dense_s1", "lm_further_4_s1"),
    *("lm_scratch_50_k50_s1", "lm_svd_activations_50_k50_s1"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory, recipe):
    """Stages 1 to 8, with the recogniser of the EncRL recipe."""
    folder = copy_recipe(tmp_path_factory.mktemp("lm"), "lmprune1")
    run(folder, "--asr_exp", str(recipe / "exp/asr_reference"))
    return folder


def test_every_stage_leaves_its_files(made, recipe):
    for name in (
        "data/train/text",
        "dump/raw/train/done.json",
        "exp/lm_text/train/text",
    ):
        assert (made / name).is_file(), name
    tokens = (made / "exp/lm_text/tokens.txt").read_text()
    assert tokens == (made / "exp/lm_text/recogniser_tokens.txt").read_text()
    folders = sorted(path.parent.name for path in made.glob("exp/*/lm.json"))
    assert folders == MODELS
    for name in folders:
        folder = made / "exp" / name
        assert Measured.read(folder).sets["test"].perplexity > 1
        assert Decoded.find(folder).recogniser == "asr_reference"
    dense, cut = (LMRecord.read(made / "exp" / MODELS[n]) for n in (1, 0))
    assert cut.parameters < dense.parameters
    table = (made / "exp/lm_RESULTS.md").read_text()
    for row in ("none", "dense", "cut_first_order_50", "further_4", "scratch_50"):
        assert f"| {row} |" in table, row
    assert len(json.loads((made / "exp/lm_results.json").read_text())["models"]) == 5


def test_the_same_command_again_trains_nothing(made, recipe):
    before = {p: p.stat().st_mtime_ns for p in made.glob("exp/*/*.pth")}
    options = ["--stage", "4", "--stop_stage", "5"]
    again = run(made, *options, "--asr_exp", str(recipe / "exp/asr_reference"))
    assert before and before == {
        p: p.stat().st_mtime_ns for p in made.glob("exp/*/*.pth")
    }
    assert again.stderr.count("is already finished") == len(MODELS)


def refused(made, *options):
    result = run(made, *options, check=False)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if " ERROR " in line]
    assert len(errors) == 1, result.stderr
    assert result.stderr.splitlines()[-1] == errors[0]
    return errors[0]


def test_bad_input_ends_in_one_line(made, recipe, tmp_path):
    # As many tokens in another order: ESPnet would decode without a message.
    # Beside the other, because its configuration names files of the recipe.
    other = recipe / "exp/asr_other_tokens"
    shutil.copytree(recipe / "exp/asr_reference", other)
    config = yaml.safe_load((other / "config.yaml").read_text())
    tokens = config["token_list"]
    tokens[4], tokens[5] = tokens[5], tokens[4]
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    line = refused(made, "--stage", "7", "--asr_exp", str(other))
    shutil.rmtree(other)
    assert "token 4 is" in line and str(other) in line
    empty = tmp_path / "empty"
    empty.write_text("book-1\n")
    options = ["--stage", "3", "--stop_stage", "3", "--expdir", str(tmp_path / "exp")]
    line = refused(made, *options, "--lm_train_text", str(empty))
    assert f"{empty} contains no text" in line
    (tmp_path / "rnn.yaml").write_text("lm: seq_rnn\n")
    options = ["--stage", "4", "--stop_stage", "5"]
    line = refused(made, *options, "--lm_config", str(tmp_path / "rnn.yaml"))
    assert "lm seq_rnn" in line
    (tmp_path / "all.yaml").write_text("{method: low_rank, keep: 1.2, epochs: 1}\n")
    line = refused(made, *options, "--row_dir", str(tmp_path), "--rows", "all")
    assert "keep [1.2]" in line
