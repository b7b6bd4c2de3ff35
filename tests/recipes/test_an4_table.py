"""table.sh hands every job to run.sh, with its options whole."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe(tmp_path):
    """A recipe folder whose run.sh only notes how it was called."""
    for name in ("table.sh", "encrl.sh"):
        (tmp_path / name).symlink_to((ROOT / "egs2/an4/encrl1" / name).resolve())
    (tmp_path / "path.sh").write_text("export PATH=$PWD/bin:$PATH\n")
    (tmp_path / "bin").mkdir()
    for path, extra in (
        (tmp_path / "run.sh", '[[ " $* " != *"${FAIL:-nothing}"* ]]'),
        (tmp_path / "bin/python3", ""),
    ):
        path.write_text(
            "#!/usr/bin/env bash\n"
            # One write: jobs side by side must not share a line.
            'printf -v call \'%s\\037\' "$(basename "$0")" "$OMP_NUM_THREADS" "$@"\n'
            "printf '%s\\n' \"$call\" >> calls\n" + extra + "\n"
        )
        path.chmod(0o755)
    return tmp_path


def table(recipe, *options, **env):
    result = subprocess.run(
        ["./table.sh", *options],
        cwd=recipe,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
    )
    calls = [
        line.split("\x1f")[:-1] for line in (recipe / "calls").read_text().splitlines()
    ]
    return result, calls


def options_of(call):
    return dict(zip(call[2::2], call[3::2]))


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


def test_a_failed_job_is_named_and_the_others_run(recipe):
    result, calls = table(recipe, FAIL=" --seed 2 ")
    assert result.returncode != 0
    assert "failed: exp/log/" in result.stderr
    # All jobs were started, but the report of an incomplete table is not made.
    assert len(calls) == 2 + 6 + 13
    assert not any(options_of(call).get("--stage") == "9" for call in calls)


def test_an_unknown_option_is_refused(recipe):
    (recipe / "calls").touch()
    result, calls = table(recipe, "--seed", "1")
    assert result.returncode == 2 and "unknown option --seed" in result.stderr
    assert not calls
