"""--dry_run of recipes whose stages are listed: what is finished, and what is left."""

import json
from pathlib import Path

import pytest
from stub_reference import write_config

from espnet_plugin.bin import recipe as command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe's folder without any result."""
    monkeypatch.chdir(tmp_path)
    Path("conf").symlink_to(ROOT / "conf")
    write_config(Path("large"))  # the reference of taught_50_cost
    return tmp_path


def listed(capsys, family, *options):
    """The lines of the dry run, which leaves no file."""
    before = sorted(Path().rglob("*"))
    assert command.main([family, "--dry_run", "true", *options]) == 0
    assert sorted(Path().rglob("*")) == before
    return capsys.readouterr().out.splitlines()


def finish(name, epochs, seconds):
    """Write what a training leaves: finished after this many epochs, if it is."""
    folder = Path("exp", name)
    folder.mkdir(parents=True)
    cost = {"epochs": epochs, "train_seconds": seconds * epochs}
    (folder / "cost.json").write_text(json.dumps(cost))
    return folder


ROWS = ("--rows", "self_pruned_50 taught_50_cost", "--baselines", "full_alone")
ROWS += ("--reference", "large")
CONFIG = ("--train_config", "conf/dualmode/tiny.yaml")


def test_nothing_is_there_yet(folder, capsys):
    lines = listed(capsys, "dualmode", *ROWS, *CONFIG)
    assert " 1 data preparation: to do" in lines and " 3 statistics: to do" in lines
    assert " 4 pre-training: skipped, because --pretrain_set is not given" in lines
    tiny = 3  # max_epoch of tiny.yaml; taught_50_cost has its own
    assert f"     exp/dual_self_pruned_50_s1: {tiny} epochs, not started" in lines
    assert "     exp/dual_taught_50_cost_s1: 11 epochs, not started" in lines
    assert f"     exp/dual_full_alone_s1: {tiny} epochs, not started" in lines
    assert any(line.startswith("Times are not known") for line in lines)


def test_finished_and_begun_trainings_and_the_time_of_the_rest(folder, capsys):
    done = finish("dual_self_pruned_50_s1", 3, 90.0)
    (done / "done.json").write_text("{}")
    finish("dual_taught_50_cost_s1", 3, 90.0)
    lines = listed(capsys, "dualmode", *CONFIG, *ROWS, "--stage", "5")
    # For stages 5 and 8.
    missing = "     exp/asr_stats_raw_char/.done is missing: run stage 3 first"
    assert lines.count(missing) == 2
    assert "     exp/dual_self_pruned_50_s1: 3 epochs, finished" in lines
    # 8 epochs of 90 s.
    assert (
        "     exp/dual_taught_50_cost_s1: 11 epochs, 3 of them finished, about 12 min"
        in lines
    )
    assert not any(" 3 statistics" in line for line in lines)
    assert " 6 a folder for each mode of self_pruned_50 taught_50_cost: to do" in lines
    for row in ("self_pruned_50", "taught_50_cost"):
        Path(f"exp/asr_{row}_s1.models").touch()
    lines = listed(capsys, "dualmode", *CONFIG, *ROWS, "--stage", "5")
    assert (
        " 6 a folder for each mode of self_pruned_50 taught_50_cost: finished" in lines
    )


def test_rows_and_seeds_of_language_models(folder, capsys):
    rows = "svd_activations_steps further_4 cut_first_order_50 scratch_50"
    options = ("--rows", rows, "--seeds", "1 2", "--stop_stage", "6", "--epochs", "5")
    done = finish("lm_dense_s1", 5, 30.0)
    (done / "done.json").write_text("{}")
    lines = listed(capsys, "lmprune", *options)
    assert "     exp/lm_dense_s1: 5 epochs, finished" in lines
    assert "     exp/lm_dense_s2: 5 epochs, not started, about 2.5 min" in lines
    # 8 epochs in four steps.
    for keep in (75, 50, 35, 25):
        name = f"exp/lm_svd_activations_steps_k{keep}_s2"
        assert f"     {name}: 2 epochs, not started, about 1 min" in lines
    assert "     exp/lm_further_4_s1: 4 epochs, not started, about 2 min" in lines
    (scratch,) = [one for one in lines if "exp/lm_scratch_50_k50_s1:" in one]
    assert "about" not in scratch and "cost the same" in scratch


def test_a_wrong_option_is_refused_all_the_same(folder, caplog):
    assert command.main(["dualmode", "--dry_run", "true", "--rows", "no_row"]) == 2
    assert "no_row.yaml" in caplog.text
