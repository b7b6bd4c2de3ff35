"""Sizes with a width of their own, through the recipe's stages."""

import json

import pytest
import torch
import yaml
from mini_recipe import run, table

from espnet_plugin.estimate.candidates import list_shapes

pytestmark = pytest.mark.slow

# The tiny reference has 3 layers, 16 wide; the middle one is written the long way.
SIZES = "2 1x16 1x8"
TAG = ["--tag", "shapes"]


@pytest.fixture(scope="module")
def shaped(tmp_path_factory, recipe):
    """Stages 5 to 9 with such sizes, beside what the other tests share."""
    from shutil import copytree

    folder = tmp_path_factory.mktemp("shapes") / "mini_an4/encrl1"
    kept = recipe.parents[2] / "kept"
    copytree(kept, folder, symlinks=True)
    first = run(folder, "--stage", "5", "--stop_stage", "9", "--sizes", SIZES, *TAG)
    assert ": on dev " in first.stderr
    return folder, first.stderr


def test_models_have_the_shapes(shaped):
    folder, said = shaped
    assert "1x8 starts from the reference's first layers, cut to width 8" in said
    folders = {path.name for path in folder.glob("exp/*_s1*") if path.is_dir()}
    assert folders - {"encrl_encrl_s1", "asr_encrl_s1_2l", "asr_encrl_s1_1l"} == {
        *("encrl_shapes_s1", "encrl_shapes_s1_1x8l"),
        *("asr_shapes_s1_2l", "asr_shapes_s1_1l", "asr_shapes_s1_1x8l"),
        *("asr_scratch_s1_2l", "asr_scratch_s1_1l", "asr_scratch_s1_1x8l"),
    }
    for name in ("shapes", "scratch"):
        for size, layers, width in (("2", 2, 16), ("1", 1, 16), ("1x8", 1, 8)):
            model = folder / f"exp/asr_{name}_s1_{size}l"
            meta = json.loads((model / "meta.json").read_text())
            state = torch.load(model / meta["checkpoint"], weights_only=True)
            assert state["ctc.ctc_lo.weight"].shape[1] == width
            units = state["encoder.encoders.0.feed_forward.w_1.weight"].shape[0]
            assert units == 2 * width  # the reference's proportion
            assert f"encoder.encoders.{layers - 1}.norm_ff.weight" in state
            assert f"encoder.encoders.{layers}.norm_ff.weight" not in state
            assert len(table(model / "decode_best_path/test/text")) == 2


def test_tables_name_them(shaped):
    folder, _ = shaped
    results = json.loads((folder / "results.json").read_text())
    rows = {
        (row["method"], row["variant"], row["size"], row.get("width")): row
        for row in results["rows"]
    }
    for method, variant in (("encrl", "shapes"), ("scratch", "")):
        params = [
            rows[method, variant, layers, width]["params"]
            for layers, width in ((2, None), (1, None), (1, 8))
        ]
        assert params == sorted(params, reverse=True) and len(set(params)) == 3
        assert not rows[method, variant, 1, 8]["missing"]
        # The encoding's width is projected for the objectives, in training alone.
        assert params[-1] == rows["scratch", "", 1, 8]["params"]
    shared = {run["name"]: run for run in results["shared"]}
    run_of = shared[rows["encrl", "shapes", 1, 8]["shared"]]
    assert run_of["name"] == "encrl_shapes_s1_1x8l" and run_of["teacher_flops"] > 0
    families = {(f["method"], f["variant"]): f for f in results["families"]}
    assert families["encrl", "shapes"]["layers"] == [2, 1, "1x8"]
    assert families["scratch", ""]["layers"] == [2, 1, "1x8"]
    text = (folder / "RESULTS.md").read_text()
    assert "| 1x8 " in text and "2+1+1x8" in text


def test_again_nothing_is_trained(shaped):
    folder, _ = shaped
    options = ["--stage", "5", "--stop_stage", "6", "--sizes", SIZES, *TAG]
    assert ": on dev " not in run(folder, *options).stderr


def test_what_cannot_be_is_refused_at_once(shaped):
    folder, _ = shaped
    before = sorted(path.name for path in (folder / "exp").iterdir())
    for sizes, message in (
        ("2 1x7", "--sizes 1x7: width 7 must be even and a multiple of the 2"),
        ("1 1x16", "--sizes: 1 is given twice"),
        ("1x8 1x8", "--sizes 1x8 1x8: 1x8 is given twice"),
        ("2 x8", "--sizes 2 x8: must be numbers of layers from 1, or layers x width"),
    ):
        result = run(folder, "--stage", "5", "--sizes", sizes, *TAG, check=False)
        assert result.returncode == 2 and message in result.stderr
    assert sorted(path.name for path in (folder / "exp").iterdir()) == before


def test_a_dry_run_counts_them(shaped):
    folder, _ = shaped
    results = json.loads((folder / "results.json").read_text())
    (params,) = {r["params"] for r in results["rows"] if r.get("width") == 8}
    done = run(folder, "--dry_run", "true", "--stage", "5", "--sizes", SIZES)
    assert f"1x8 layers: {params / 1e6:.3g} M weights" in done.stdout


def test_a_budget_finds_the_size(shaped):
    folder, _ = shaped
    config = yaml.safe_load((folder / "exp/asr_reference/config.yaml").read_text())
    smallest = list_shapes(config, {}, len(config["token_list"]))[-1]
    assert str(smallest.shape) == "2x8"
    budget = ["--budget", str(smallest.params), "--trials", "2", "--tag", "chosen"]
    later = run(folder, "--stage", "6", "--stop_stage", "7", *budget, check=False)
    assert later.returncode == 2 and "run that first (--stage 5)" in later.stderr
    dry = ["--dry_run", "true", "--stage", "5", *budget]
    planned = run(folder, *dry).stdout
    assert "stage 5 tries 2x8 for --budget" in planned
    assert " 5 1 trial of shapes " in planned and "2x8 layers: " in planned
    stages = ["--stage", "5", "--stop_stage", "7"]
    first = run(folder, *stages, *budget).stderr
    assert f"Stage 5: {smallest.params}: 2x8, by the " in first
    assert "EncRL pre-training of a student of 2x8 layers" in first
    found = json.loads((folder / "exp/shapes_chosen_s1/shapes.json").read_text())
    (entry,) = found["budgets"]
    assert entry["chosen"] == "2x8" and entry["candidates"] == ["2x8"]
    (trial,) = entry["tried"]
    # One epoch, of a model that is no row of the tables.
    trained = folder / "exp/shapes_chosen_s1" / trial["folder"]
    assert json.loads((trained / "cost.json").read_text())["epochs"] == 1
    model = folder / "exp/asr_chosen_s1_2x8l"
    assert json.loads((model / "meta.json").read_text())["params"] == trial["params"]
    rtf = json.loads((model / "rtf.json").read_text())
    assert rtf["macs_per_audio_second"] == pytest.approx(trial["macs_per_second"])
    assert len(table(model / "decode_best_path/test/text")) == 2
    # Again: neither trials nor trainings; later stages and the dry run know the size.
    again = run(folder, *stages, *budget)
    assert ": on dev " not in again.stderr
    planned = run(folder, *dry).stdout
    assert "sizes as in exp/shapes_chosen_s1/shapes.json" in planned
    assert " of shapes" not in planned
    other = run(folder, *stages[:1], "6", *budget, "--trials", "3", check=False)
    assert other.returncode == 2 and "made with --trials 2, not 3" in other.stderr
    # Another limit is another choice, and makes models beside the first ones.
    whole = list_shapes(config, {}, len(config["token_list"]))[0]
    assert str(whole.shape) == "3"
    budget[1] = str(whole.params)
    assert ": 3, by the " in run(folder, *stages, *budget).stderr
    assert (folder / "exp/asr_chosen_s1_3l/meta.json").exists() and model.exists()
