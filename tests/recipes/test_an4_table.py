"""table.sh hands every job to run.sh, with its options whole."""

import os

import pytest
from table_recipe import make_recipe, options_of, table


@pytest.fixture
def recipe(tmp_path):
    return make_recipe(tmp_path, "encrl1", "encrl.sh")


def test_every_row_is_asked_for(recipe):
    corpus = "/corpora/an 4"
    result, calls = table(
        recipe, "--seeds", "1 2", "--", "--local_data_opts", f"--an4 {corpus}"
    )
    assert result.returncode == 0, result.stderr
    first, untrained, *jobs, last = calls
    assert options_of(first)["--stop_stage"] == "4"
    assert first[1] == str(len(os.sched_getaffinity(0)))  # alone, so with all cores
    assert untrained[0] == "python3" and "untrained" in untrained
    assert options_of(last)["--stage"] == "9"
    # Every call of run.sh gets the user's options, spaces and all.
    for call in (first, *jobs, last):
        assert options_of(call)["--local_data_opts"] == f"--an4 {corpus}"
    jobs = [options_of(call) for call in jobs]
    main = [job for job in jobs if not {"--tag", "--baselines"} & set(job)]
    others = [job["--baselines"] for job in jobs if "--baselines" in job]
    assert sorted(others) == [
        *("early_exit_copy scratch_cost", "scratch_finetune", "scratch_longer"),
    ]
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
    assert len(set(tags)) == len(tags) == 12
    (control,) = [job for job in jobs if "--reference_exp" in job]
    assert control["--reference_exp"] == "exp/asr_untrained"
    # What the reference says is computed once; the untrained one says other things.
    caches = {job.get("--teacher_cache") for job in jobs if job["--stage"] == "5"}
    assert caches == {"exp/teacher_cache", control["--teacher_cache"]}
    assert control["--teacher_cache"] == "exp/teacher_cache_untrained"


def test_options_of_the_recipe_may_be_left_out(recipe):
    result, calls = table(recipe, "--ablations", "false", "--seeds", "1")
    assert result.returncode == 0, result.stderr
    assert [options_of(call).get("--stage") for call in calls] == [
        *("1", None, "5", "8", "9"),
    ]


def test_a_failed_job_is_named_and_the_others_run(recipe):
    result, calls = table(recipe, FAIL=" --seed 2 ")
    assert result.returncode != 0
    assert "failed: exp/log/" in result.stderr
    # All jobs were started, but the report of an incomplete table is not made.
    assert len(calls) == 2 + 6 + 15
    assert not any(options_of(call).get("--stage") == "9" for call in calls)


def test_an_unknown_option_is_refused(recipe):
    (recipe / "calls").touch()
    result, calls = table(recipe, "--seed", "1")
    assert result.returncode == 2 and "unknown option --seed" in result.stderr
    assert not calls


@pytest.mark.parametrize("pretrain", [True, False])
def test_dual_mode_rows_wait_for_their_pre_training(tmp_path, pretrain):
    recipe = make_recipe(tmp_path, "dualmode1", "dualmode.sh")
    options = ("--pretrain_set", "more") if pretrain else ()
    result, calls = table(recipe, "--seeds", "1 2", *options, "--", "--nj", "1")
    assert result.returncode == 0, result.stderr
    calls = [options_of(call) for call in calls]
    assert {call.get("--pretrain_set") for call in calls} == {
        "more" if pretrain else None
    }
    stages = [call["--stage"] for call in calls]
    begun = [
        i for i, call in enumerate(calls) if "pretrained" in str(call.get("--rows"))
    ]
    assert len(begun) == (4 if pretrain else 0)
    assert stages.count("4") == (1 if pretrain else 0)
    if pretrain:
        assert stages.index("4") < min(begun)
        # Begun first, waited for last: all the others run beside it.
        assert set(range(min(begun), len(calls) - 1)) == set(begun)
    rows = [call.get("--rows") or call.get("--rivals") for call in calls]
    for row in ("self_pruned_50", "streaming_alone pruned_after_50"):
        assert rows.count(row) == 2
