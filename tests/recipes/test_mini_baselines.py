"""Stage 8 and the cheaper ways through stage 5, in the recipe itself."""

import json

import pytest
import torch
from mini_recipe import run, table

pytestmark = pytest.mark.slow


def test_baselines_are_trained_scored_and_compared(copy):
    names = "scratch layer_prune magnitude_once"
    options = ["--stage", "8", "--stop_stage", "9", "--baselines", names]
    assert ": on dev " in run(copy, *options).stderr
    results = json.loads((copy / "results.json").read_text())
    rows = {
        (row["method"], row["variant"], row["layers"]): row for row in results["rows"]
    }
    for key in (
        *(("scratch", "", 2), ("scratch", "", 1)),
        *(("layer_prune", "", 2), ("layer_prune", "", 1)),
        *(("magnitude", "one-shot 10 %", 3), ("magnitude", "one-shot 22.5 %", 3)),
    ):
        assert rows[key]["test_words"] == 10 and not rows[key]["missing"], key
        assert rows[key]["encoder_rtf"] > 0
    dense = rows["reference", "", 3]
    pruned = rows["magnitude", "one-shot 10 %", 3]
    assert pruned["params"] == dense["params"]
    removed = dense["params_nonzero"] - pruned["params_nonzero"]
    assert removed == pytest.approx(0.1 * dense["params"], rel=0.02)
    # The search for layers is paid for by the sizes it serves.
    runs = {entry["name"]: entry for entry in results["shared"]}
    assert runs[rows["layer_prune", "", 1]["shared"]]["teacher_flops"] > 0
    report = (copy / "exp/report/report.html").read_text()
    assert "one-shot 22.5 %" in report and "layer_prune" in report
    # Again: nothing is trained.
    assert ": on dev " not in run(copy, *options).stderr


def test_all_sizes_in_one_step_from_stored_outputs(copy):
    options = ["--stage", "5", "--stop_stage", "7", "--tag", "nested"]
    options += ["--family", "nested", "--teacher_cache", "exp/teacher_cache"]
    options += [
        "--finetune_epochs",
        "0",
        "--encrl_args",
        "--model_conf ctc_loss_weight=1",
    ]
    run(copy, *options)
    encrl = torch.load(
        copy / "exp/encrl_nested_s1/valid.loss.ave.pth", weights_only=True
    )
    for size in (2, 1):
        folder = copy / f"exp/asr_nested_s1_{size}l"
        state = torch.load(folder / "model.pth", weights_only=True)
        name = "encoder.encoders.0.norm_ff.weight"
        assert torch.equal(state[name], encrl[name])  # the first layers
        meta = json.loads((folder / "meta.json").read_text())
        assert (meta["method"], meta["layers"]) == ("encrl", size)
        assert json.loads((folder / "cost.json").read_text())["flops"] == 0
        decoded = folder / "decode_best_path/test"
        assert len(table(decoded / "text")) == 2
    cost = json.loads((copy / "exp/encrl_nested_s1/cost.json").read_text())
    assert cost["once"]["teacher_cache"]["teacher_flops"] == cost["teacher_flops"] > 0
    assert (copy / "exp/teacher_cache/done.json").is_file()


def test_a_size_is_trained_by_itself_beside_the_others(copy):
    options = ["--stage", "5", "--stop_stage", "6", "--tag", "apart"]
    options += ["--family", "nested", "--student_init", "first", "--alone", "1"]
    options += ["--freeze", "encoder.embed", "--teacher_cache", "exp/teacher_cache"]
    options += ["--encrl_epochs", "1", "--alone_epochs", "2", "--train_jobs", "2"]
    options += ["--finetune_epochs", "0"]
    run(copy, *options)
    reference = torch.load(
        copy / "exp/asr_reference/valid.cer_ctc.ave.pth", weights_only=True
    )
    embed = [name for name in reference if name.startswith("encoder.embed.conv")]
    for size, run_name, epochs in (
        (2, "encrl_apart_s1", 1),
        (1, "encrl_apart_s1_1l", 2),
    ):
        folder = copy / f"exp/asr_apart_s1_{size}l"
        model = torch.load(folder / "model.pth", weights_only=True)
        trained = torch.load(
            copy / "exp" / run_name / "valid.loss.ave.pth", weights_only=True
        )
        assert all(torch.equal(model[name], trained[name]) for name in model)
        # Frozen with the others, trained by itself.
        same = all(torch.equal(model[name], reference[name]) for name in embed)
        assert same == (size == 2)
        meta = json.loads((folder / "meta.json").read_text())
        assert (meta["method"], meta["shared"]) == ("encrl", run_name)
        cost = json.loads((copy / "exp" / run_name / "cost.json").read_text())
        assert len(cost["per_epoch"]) == epochs
    # Again: nothing is trained.
    again = run(copy, *options)
    assert ": on dev " not in again.stderr


def test_one_size_is_trained_further_and_the_others_are_cut_out(copy):
    options = ["--stage", "5", "--stop_stage", "6", "--tag", "further"]
    options += ["--family", "nested", "--student_init", "first", "--encrl_epochs", "1"]
    options += ["--freeze", "encoder.embed", "--finetune_epochs", "0"]
    run(copy, *options, "--finetune_alone", "1:2")
    encrl = torch.load(
        copy / "exp/encrl_further_s1/valid.loss.ave.pth", weights_only=True
    )
    two, one = (copy / f"exp/asr_further_s1_{size}l" for size in (2, 1))
    cut = torch.load(two / "model.pth", weights_only=True)
    assert all(torch.equal(cut[name], encrl[name]) for name in cut)
    start, end = (
        torch.load(path, weights_only=True)
        for path in (one / "init/model.pth", one / "valid.cer_ctc.ave.pth")
    )
    assert all(torch.equal(start[name], encrl[name]) for name in start)
    # Nothing of it is frozen.
    assert not any(torch.equal(start[n], end[n]) for n in end if ".embed.conv" in n)
    epochs = [
        json.loads((folder / "cost.json").read_text())["epochs"]
        for folder in (two, one)
    ]
    assert epochs == [0, 2]


def test_a_family_is_fine_tuned_in_one_training(copy):
    options = ["--stage", "5", "--stop_stage", "7", "--tag", "one"]
    options += ["--family", "nested", "--finetune", "together"]
    options += ["--student_init", "spaced", "--freeze", "encoder.embed"]
    options += ["--finetune_alone", "1:1", "--encrl_epochs", "1"]
    first = run(copy, *options, "--finetune_epochs", "2")
    assert ": on dev " in first.stderr
    family = copy / "exp/asr_one_s1_family"
    config = (family / "config.yaml").read_text()
    assert "interctc_weight: 0.5" in config and "- encoder.embed" in config
    start, end = (
        torch.load(path, weights_only=True)
        for path in (family / "init/model.pth", family / "valid.cer_ctc.ave.pth")
    )
    assert all(torch.equal(start[n], end[n]) for n in start if ".embed." in n)
    cut = torch.load(copy / "exp/asr_one_s1_2l/model.pth", weights_only=True)
    assert cut.keys() == end.keys()
    assert all(torch.equal(cut[name], end[name]) for name in cut)
    alone = torch.load(copy / "exp/asr_one_s1_1l/init/model.pth", weights_only=True)
    assert all(torch.equal(alone[name], end[name]) for name in alone)
    run(copy, "--stage", "9", "--stop_stage", "9", "--results_json", "one.json")
    results = json.loads((copy / "one.json").read_text())
    shared = {entry["name"]: entry for entry in results["shared"]}
    (whole,) = [f for f in results["families"] if f["variant"] == "one"]
    assert whole["shared_cost"]["train_flops"] == sum(
        shared[name]["train_flops"] for name in ("encrl_one_s1", "asr_one_s1_family")
    )
    rows = {r["layers"]: r for r in results["rows"] if r["variant"] == "one"}
    assert (rows[2]["epochs"], rows[1]["epochs"]) == (0, 1)
    # Again: nothing is trained.
    again = run(copy, *options, "--finetune_epochs", "2")
    assert ": on dev " not in again.stderr


@pytest.mark.parametrize(
    "options, message",
    [
        (["--finetune", "all"], "--finetune all: must be each or together"),
        (["--finetune", "together"], "choose --family nested or first, not last"),
        (["--finetune_alone", "1:1"], "needs --finetune together"),
        (
            ["--family", "first", "--finetune", "together", "--finetune_alone", "1"],
            "SIZE:EPOCHS",
        ),
        (
            ["--family", "first", "--finetune", "together", "--finetune_alone", "3:1"],
            "--finetune_alone 3:1: must be one of --sizes 2 1",
        ),
        (
            ["--finetune_epochs", "0", "--finetune_alone", "1:2 smallest:3"],
            "--finetune_alone 1:2 1:3: 1 is named twice",
        ),
    ],
)
def test_ways_of_fine_tuning_that_do_not_exist_are_refused(copy, options, message):
    result = run(copy, "--stage", "6", "--stop_stage", "6", *options, check=False)
    assert result.returncode == 2 and message in result.stderr
