"""table.sh hands every job to run.sh, with its options whole."""

import shlex

import pytest
import yaml
from table_recipe import ROOT, make_recipe, options_of, table


@pytest.fixture
def recipe(tmp_path):
    return make_recipe(tmp_path, "encrl1", "encrl.sh")


def test_every_row_is_asked_for(recipe):
    corpus = "/corpora/an 4"
    stats = recipe / "exp/asr_stats_raw_char"
    stats.mkdir(parents=True)
    (stats / ".done").touch()
    model = recipe / "exp/trials/asr_width_s1_4l"
    model.mkdir(parents=True)
    (model / "meta.json").touch()
    # Of what another call has left behind: all that is compared has to be there.
    finished = "encrl_kl", "encrl_clip_mse", "encrl_init_random", "encrl_untrained"
    for name in finished:
        (recipe / f"exp/ablations/asr_{name}_s1_6l").mkdir(parents=True)
    for name in "first", "one":
        (recipe / f"exp/asr_encrl_{name}_s1_6l").mkdir()
    rows = "main ablations costs baselines trials"
    options = ["--seeds", "1 2", "--rows", rows]
    result, calls = table(
        recipe, *options, "--", "--local_data_opts", f"--an4 {corpus}"
    )
    assert result.returncode == 0, result.stderr
    first, untrained, jobs = calls[0], calls[3], calls[4:-3]
    ablations, tried, last = calls[-3:]
    assert options_of(first)["--stop_stage"] == "3"
    # Each seed learns from a reference of its own.
    assert sorted(
        (options_of(call)["--stage"], options_of(call).get("--reference_seed", "1"))
        for call in calls[1:3]
    ) == [("4", "1"), ("4", "2")]
    assert untrained[0] == "python3" and "untrained" in untrained
    assert options_of(last)["--stage"] == "9"
    assert options_of(ablations)["--expdir"] == "exp/ablations"
    assert options_of(ablations)["--results_json"] == "ablations.json"
    compared = shlex.split(options_of(ablations)["--report_opts"])
    assert compared.count("--compare") == 2 * 3 + 2
    assert shlex.split(options_of(last)["--report_opts"]) == [
        *("--compare", "encrl first layers 6", "encrl 6"),
        *("--compare", "scratch 6", "encrl one size alone 6"),
    ]
    pairs = set(zip(compared[1::3], compared[2::3]))
    control = "encrl random start, untrained reference 6"
    assert pairs > {
        ("encrl_direct clip+kl 6", "encrl_direct clip+mse 6"),
        ("encrl clip+kl 6", "encrl random start 6"),
        ("scratch fine-tuning alone 6", control),
    }
    # Every call of run.sh gets the user's options, spaces and all.
    for call in (first, *jobs, ablations, last):
        assert options_of(call)["--local_data_opts"] == f"--an4 {corpus}"
    jobs = [options_of(call) for call in jobs]
    trials = [job for job in jobs if "--test_sets" in job]
    # Half of them are sizes of the rows, so they end before those begin.
    assert jobs[: len(trials)] == trials
    jobs = [job for job in jobs if job not in trials]
    main = [job for job in jobs if not {"--tag", "--baselines"} & set(job)]
    others = [
        (job["--baselines"], job["--seed"]) for job in jobs if "--baselines" in job
    ]
    once = "layer_cut magnitude_once magnitude_once_no_conv"
    ones = [
        "scratch_finetune",
        "scratch_longer",
        "scratch_cost",
        "layer_copy",
        "layer_copy_cost",
        "layer_copy_spaced",
        "width",
    ]
    ones += ["magnitude", "gates", "gates", "ctc_kd", "early_exit", once]
    baselines = "early_exit_copy", "layer_copy_first", "layer_prune"
    assert sorted(others) == sorted(
        [(name, "1") for name in ones]
        + [(name, seed) for name in baselines for seed in ("1", "2")]
    )
    shipped = {path.stem for path in (ROOT / "conf/baselines").glob("*.yaml")}
    assert {name for names, _ in others for name in names.split()} < shipped
    assert sorted((job["--stage"], job["--seed"]) for job in main) == [
        *(("5", "1"), ("5", "2"), ("8", "1"), ("8", "2")),
    ]
    assert {job.get("--objectives") for job in jobs} == {
        *(None, "clip", "mse", "mae", "kl", "clip kl", "clip mae", "clip mse"),
    }
    inits = {job.get("--student_init") for job in jobs}
    assert inits == {None, "first", "last", "random"}
    # A front end with random weights must learn.
    for job in jobs:
        assert (job.get("--student_init") == "random") == (job.get("--freeze") == "")
    tags = [job["--tag"] for job in jobs if "--tag" in job]
    assert len(set(tags)) == len(tags) == 14
    # What is no part of the main table lies apart, but learns from the same reference
    # and data.
    for name in "ablations", "trials":
        assert (recipe / f"exp/{name}/asr_stats_raw_char/.done").exists()
    apart = [job for job in jobs if "--expdir" in job]
    assert {job["--expdir"] for job in apart} == {"exp/ablations"}
    assert len(apart) == 12 and "encrl_clip_kl" in tags
    (control,) = [job for job in jobs if job.get("--tag") == "encrl_untrained"]
    assert {job["--reference_exp"] for job in apart if job is not control} == {
        "exp/asr_reference"
    }
    assert control["--reference_exp"] == "exp/asr_untrained"
    # What the reference says is computed once; the untrained one says other things.
    caches = {
        (job.get("--teacher_cache"), job.get("--reference_seed"))
        for job in jobs
        if job["--stage"] == "5" and job is not control
    }
    assert caches == {("exp/teacher_cache", None), ("exp/teacher_cache_s2", "2")}
    assert control["--teacher_cache"] == "exp/teacher_cache_untrained"
    for job in jobs:
        learns = job["--stage"] == "5" or "--baselines" in job
        assert job.get("--reference_seed", "1") == (job["--seed"] if learns else "1")
    check_trials(trials)
    # Of models that are there.
    models = [word for word in tried if word.startswith("exp/") and "asr_" in word]
    assert models == ["exp/trials/asr_width_s1_4l"] and "TRIALS.md" in tried


def check_trials(jobs):
    """The same number of trials for every baseline, on dev, at one size."""
    assert {job["--test_sets"] for job in jobs} == {"dev"}
    assert {job["--seed"] for job in jobs} == {"1"}
    shipped = [job["--baselines"] for job in jobs if "--baseline_lr" not in job]
    others = [job for job in jobs if "--baseline_lr" in job]
    assert sorted(shipped) == sorted(job["--baselines"] for job in others)
    assert len(set(shipped)) == len(shipped) == 8
    for job in jobs:
        together = job["--baselines"].startswith("early_exit")
        assert job["--sizes"] == ("6 4 2" if together else "4")
    for job in others:
        content = yaml.safe_load(
            (ROOT / f"conf/baselines/{job['--baselines']}.yaml").read_text()
        )
        training = (content.get("training_conf") or {}).get("optim_conf") or {}
        rates = {float(job["--baseline_lr"]), training.get("lr", 0.002)}
        # With a lower rate the gates' thresholds do not rise far enough.
        gates = job["--baselines"] == "gates"
        assert rates == ({0.002, 0.004} if gates else {0.001, 0.002}), job
    # What is tried must not be taken for the rows.
    assert {job["--expdir"] for job in others} == {"exp/trials"}
    assert {job["--reference_exp"] for job in others} == {"exp/asr_reference"}


def test_one_run_shares_nothing_with_the_other_rows(recipe):
    (recipe / "exp/one_run/asr_encrl_one_s1_6l").mkdir(parents=True)
    result, calls = table(recipe, "--rows", "one_run", "--seeds", "1 2")
    assert result.returncode == 0, result.stderr
    calls = [options_of(call) for call in calls]
    apart = [call for call in calls if call.get("--expdir") == "exp/one_run"]
    *jobs, report = apart
    assert sorted(
        (
            *(job["--seed"], job["--reference_exp"]),
            job.get("--baselines") or job.get("--tag", "encrl"),
        )
        for job in jobs
    ) == [
        (seed, f"exp/asr_reference{of}", rows)
        for seed, of in (("1", ""), ("2", "_s2"))
        for rows in ("encrl", "encrl_one", "scratch_longer")
    ]
    for job in jobs:
        cache = f"exp/one_run/teacher_cache_s{job['--seed']}"
        assert job.get("--teacher_cache") == (cache if job["--stage"] == "5" else None)
        one = job.get("--tag") == "encrl_one"
        assert job.get("--sizes") == ("6" if one else None)
    assert (report["--results"], report["--stage"]) == ("ONE_RUN.md", "9")
    compared = shlex.split(report["--report_opts"])
    assert compared[1::3] == ["encrl 6", "scratch 9 epochs 6"]
    # References of both seeds are trained where they are missing.
    assert [call["--stage"] for call in calls[:3]] == ["1", "4", "4"]


def test_options_of_the_recipe_may_be_left_out(recipe):
    result, calls = table(recipe, "--rows", "main", "--seeds", "1")
    assert result.returncode == 0, result.stderr
    stages = [options_of(call).get("--stage") for call in calls]
    assert stages[:3] == ["1", "4", None] and stages[-1] == "9"
    assert sorted(stages[3:-1]) == ["5", "8"]  # side by side


def test_a_failed_job_is_named_and_the_others_run(recipe):
    result, calls = table(recipe, FAIL=" --seed 2 ")
    assert result.returncode != 0
    assert "failed: exp/log/" in result.stderr
    # All jobs were started, but the report of an incomplete table is not made.
    assert len(calls) == 1 + 3 + 1 + 6 + 12
    assert not any(options_of(call).get("--stage") == "9" for call in calls)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--seed", "1"], "unknown option --seed"),
        (["--rows", "main ablation"], "--rows ablation: of main, ablations, costs"),
    ],
)
def test_an_unknown_option_or_group_is_refused(recipe, options, message):
    (recipe / "calls").touch()
    result, calls = table(recipe, *options)
    assert result.returncode == 2 and message in result.stderr
    assert not calls


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("pretrain", [True, False])
def test_every_dual_mode_row_is_asked_for(tmp_path, pretrain, others):
    recipe = make_recipe(tmp_path, "dualmode1", "dualmode.sh")
    options = ["--seeds", "1 2", "--others", "true" if others else "false"]
    options += ["--pretrain_set", "more"] if pretrain else []
    result, calls = table(recipe, *options, "--", "--nj", "1")
    assert result.returncode == 0, result.stderr
    first, *jobs, last = map(options_of, calls)
    assert (first["--stage"], first["--stop_stage"]) == ("1", "3")
    assert (last["--stage"], last["--remeasure_rtf"]) == ("9", "true")
    assert {call.get("--pretrain_set") for call in (first, *jobs, last)} == {
        "more" if pretrain else None
    }
    rows = [(j.get("--rows") or j["--baselines"], j["--seed"]) for j in jobs]
    for job in jobs:
        assert job["--stop_stage"] == ("7" if "--rows" in job else "8")
        begin = "5" if "--rows" in job else "8"
        begun = pretrain and job.get("--rows", "").startswith("pretrained_50")
        assert job["--stage"] == ("4" if begun and job["--seed"] == "1" else begin)
    main = "self_pruned_50", "self_pruned_30", "self_pruned_70", "full_alone"
    more = " pruned_after_30 pruned_after_70" if others else ""
    expected = [(row, seed) for row in main for seed in "12"]
    baselines = f"streaming_alone streaming_longer pruned_after_50{more}"
    expected += [(baselines, seed) for seed in "12"]
    if others:
        ablations = (
            "no_distillation_50",
            "taylor_50",
            "random_masks_50",
            "fixed_masks_50",
            "early_50",
        )
        expected += [(r, "1") for r in (*ablations, "blocks_50", "dense_dense")]
    if pretrain:
        more = " pretrained_30 pretrained_70" if others else ""
        expected += [(f"pretrained_50{more}", "1"), ("pretrained_50", "2")]
        # Waited for: what starts from the pre-training comes after it has ended.
        assert rows[-1] == ("pretrained_50", "2")
    assert sorted(rows) == sorted(expected)
    # Nothing that is shipped is left out, nothing is asked for that is not there.
    shipped = {path.stem for path in (ROOT / "conf/dualmode/rows").glob("*.yaml")}
    asked = {row for names, _ in rows for row in names.split()}
    assert asked <= shipped
    if pretrain and others:
        # It is decoded in another way than a table's rows.
        assert asked == shipped - {"transducer_50"}
