"""The taught rows of the dual-mode recipe on stored outputs of the reference."""

import json

import pytest
from mini_recipe import copy_recipe, run

pytestmark = pytest.mark.slow
CACHE = ["--teacher_cache", "exp/teacher_cache"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory, recipe):
    """A taught row, from a reference that the other family has trained."""
    folder = copy_recipe(tmp_path_factory.mktemp("taught"), "dualmode1")
    words = [*options(recipe), *CACHE]
    # A row that nothing teaches may stand beside it.
    run(folder, *words, "--stop_stage", "5", "--rows", "full_alone taught_50")
    run(folder, *words, "--stage", "6", "--stop_stage", "7")
    run(folder, *words, "--stage", "9")
    return folder


def options(recipe):
    reference = ["--reference", str(recipe / "exp/asr_reference")]
    return [*reference, "--rows", "taught_50", "--epochs", "2"]


def test_the_reference_is_paid_for_once(taught):
    cost = json.loads((taught / "exp/dual_taught_50_s1/cost.json").read_text())
    once = cost["once"]["teacher_cache"]
    assert cost["epochs"] == 2
    assert cost["teacher_flops"] == once["teacher_flops"] > 0
    assert not any(entry["teacher_flops"] for entry in cost["per_epoch"])
    alone = json.loads((taught / "exp/dual_full_alone_s1/cost.json").read_text())
    assert alone["teacher_flops"] == 0 and not alone["once"]
    request = json.loads((taught / "exp/dual_taught_50_s1/request.json").read_text())
    assert request["inputs"]["teacher_cache"] == "used"


def test_the_tables_count_it_in(taught):
    results = json.loads((taught / "results.json").read_text())
    cost = json.loads((taught / "exp/dual_taught_50_s1/cost.json").read_text())
    whole = {
        (one["method"], one["variant"]): one["whole_cost_mean"]
        for one in results["aggregates"]
    }
    for mode in "full", "streaming":
        mine = whole["dual_mode", f"taught, self-pruned 50 % {mode}"]
        assert mine["train_flops"] == cost["flops"]
        assert mine["teacher_flops"] == cost["teacher_flops"]
    runs = {entry["name"]: entry for entry in results["shared"]}
    assert runs["dual_taught_50_s1"]["after"].startswith("teacher_cache_")


def test_again_nothing_is_trained(taught, recipe):
    again = run(taught, *options(recipe), *CACHE, "--stage", "5", "--stop_stage", "7")
    assert ": on dev " not in again.stderr


def test_without_it_the_training_is_another(taught, recipe):
    live = run(
        taught, *options(recipe), "--stage", "5", "--stop_stage", "5", check=False
    )
    assert live.returncode == 2
    assert "different inputs: teacher_cache (was " in live.stderr


def test_a_store_of_the_other_family_serves_posteriors_alone(copy, tmp_path):
    encrl = ["--stage", "5", "--stop_stage", "5", "--encrl_epochs", "1", *CACHE]
    run(copy, *encrl, "--tag", "stored")
    cache = copy / "exp/teacher_cache"
    before = {path.name: path.read_bytes() for path in cache.glob("[a-z]*")}
    folder = copy_recipe(tmp_path, "dualmode1")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/posteriors.yaml").write_text(
        "changes: {model_conf: {teaching: {objectives: {kl: {}, clip: {}}}}}\n"
    )
    run(folder, "--stop_stage", "3")
    words = [*options(copy), "--teacher_cache", str(cache), "--stage", "5"]
    refused = run(folder, *words, "--stop_stage", "5", check=False)
    assert refused.returncode == 2
    assert "frame_contrast needs those of single frames" in refused.stderr
    words += ["--row_dir", str(tmp_path / "rows"), "--rows", "posteriors"]
    words += ["--baselines", "posteriors"]
    run(folder, *words, "--stop_stage", "5")
    assert before == {path.name: path.read_bytes() for path in cache.glob("[a-z]*")}
    mine = json.loads((folder / "exp/dual_posteriors_s1/cost.json").read_text())
    theirs = json.loads((copy / "exp/encrl_stored_s1/cost.json").read_text())
    assert mine["once"]["teacher_cache"] == theirs["once"]["teacher_cache"]
