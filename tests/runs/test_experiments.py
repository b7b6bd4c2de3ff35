"""The command that trains every row: order, resuming, failures, tables."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from espnet_plugin.bin.experiments import main

PLAN = {
    "seeds": [1, 2],
    "sizes": [6, 4],
    "prepare": "--stage 1 --stop_stage 3",
    "rows": {
        "reference": {
            "options": "--leaves reference,-,asr_reference_s{seed}",
            "leaves": ["asr_reference_s{seed}"],
        },
        "encrl": {
            "options": "--leaves encrl,-,asr_encrl_s{seed}_6l",
            "after": ["reference"],
            "leaves": ["asr_encrl_s{seed}_*"],
        },
        "scratch": {"options": "--leaves scratch,-,asr_scratch_s{seed}_6l"},
        "more": {
            "options": "--leaves more,,asr_more_s1_6l",
            "group": "more",
            "seeds": "first",
            "expdir": "exp/more",
        },
    },
    "tables": {
        "RESULTS.md": {
            "options": "--stage 9",
            "groups": ["main"],
            "compare": [["scratch {size}", "encrl {size}"], ["width 6", "encrl 6"]],
        },
    },
}
# It notes its call, and writes a model's meta.json where --leaves says.
RUN = """#!/usr/bin/env bash
printf -v call '%s\\037' "${EPOCHREALTIME}" "$@"
printf '%s\\n' "${call}" >> calls
sleep "${SLEEP:-0}"
[[ "$*" != *"${FAIL:-nothing}"* ]] || { echo "this one fails"; exit 1; }
expdir=exp stage= leaves=
while [ $# -gt 0 ]; do printf -v "${1#--}" '%s' "$2"; shift 2; done
if [ "${stage}" = 1 ]; then
    mkdir -p dump/raw/train exp/asr_stats_raw
    echo -n "${DATA-{\\}}" > dump/raw/train/done.json
fi
IFS=, read -r method variant name <<< "${leaves}"
[ -n "${name}" ] || exit 0
mkdir -p "${expdir}/${name}"
printf '{"method": "%s", "variant": "%s", "layers": 6, "seed": 1}' \\
    "${method}" "${variant}" > "${expdir}/${name}/meta.json"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "run.sh"
    path.write_text(RUN)
    path.chmod(0o755)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/train.yaml").write_text("lr: 1\n")
    (tmp_path / "experiments.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
    return tmp_path


def calls(recipe):
    """Return and forget the options of the calls, in their order."""
    path = recipe / "calls"
    if not path.exists():
        return []
    lines = [line.split("\x1f")[1:-1] for line in path.read_text().splitlines()]
    path.unlink()
    return [dict(zip(words[::2], words[1::2])) for words in lines]


def leaves(options):
    return [one["--leaves"].split(",")[2] for one in options if "--leaves" in one]


def run(recipe, *more):
    return main([str(recipe / "experiments.yaml"), *more])


def test_all_rows_are_trained_once_and_the_table_is_made(recipe, capfd):
    assert (
        run(recipe, "--jobs", "1", "--", "--nj", "3", "--local_data_opts", "a b") == 0
    )
    first = calls(recipe)
    assert first[0]["--stop_stage"] == "3"
    assert leaves(first) == [
        *("asr_reference_s1", "asr_scratch_s1_6l", "asr_encrl_s1_6l"),
        *("asr_reference_s2", "asr_scratch_s2_6l", "asr_encrl_s2_6l"),
    ]
    # Options after -- reach every call whole.
    assert {one["--local_data_opts"] for one in first} == {"a b"}
    # A pair is compared where both rows are there: no 4 layers, no width.
    opts = "--compare 'scratch 6' 'encrl 6'"
    assert first[-1]["--stage"] == "9" and first[-1]["--report_opts"] == opts
    # Nothing is due: the data is checked and the table made, nothing else.
    assert (
        run(recipe, "--jobs", "1", "--", "--nj", "3", "--local_data_opts", "a b") == 0
    )
    assert [one.get("--stage") for one in calls(recipe)] == ["1", "9"]


def test_the_list_runs_nothing_and_gives_reasons(recipe, capsys):
    assert run(recipe, "--list") == 0
    out = capsys.readouterr().out
    assert "not run yet" in out and "0 of 2" in out and not calls(recipe)
    assert run(recipe) == 0
    capsys.readouterr()
    assert run(recipe, "--list") == 0
    assert "Everything is finished" in capsys.readouterr().out


def test_a_comment_in_a_configuration_starts_nothing(recipe, capsys):
    assert run(recipe, "--jobs", "1") == 0
    path = recipe / "conf/train.yaml"
    path.write_text(f"# mine\n{path.read_text()}\n")
    capsys.readouterr()
    assert run(recipe, "--list") == 0
    assert "Everything is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "again", "reason"),
    [
        (
            lambda recipe: (recipe / "exp/asr_encrl_s1_6l/meta.json").unlink(),
            ["asr_encrl_s1_6l"],
            "asr_encrl_s1_* does not exist",
        ),
        # What learns from a reference that is trained again is trained again.
        (
            lambda recipe: (recipe / "exp/asr_reference_s2/meta.json").unlink(),
            ["asr_reference_s2", "asr_encrl_s2_6l"],
            "after reference_s2",
        ),
        (
            lambda recipe: (recipe / "conf/train.yaml").write_text("lr: 2\n"),
            None,
            "other configurations",
        ),
        (
            lambda recipe: (recipe / "dump/raw/train/done.json").write_text("{1}"),
            None,
            "other data",
        ),
        (
            lambda recipe: (recipe / "experiments.yaml").write_text(
                (recipe / "experiments.yaml")
                .read_text()
                .replace("scratch,-", "scratch,x")
            ),
            ["asr_scratch_s1_6l", "asr_scratch_s2_6l"],
            "was 'scratch,-,asr_scratch_s1_6l'",
        ),
    ],
)
def test_what_changed_is_trained_again(
    recipe, capsys, monkeypatch, change, again, reason
):
    assert run(recipe, "--jobs", "1") == 0
    every = leaves(calls(recipe))
    change(recipe)
    capsys.readouterr()
    run(recipe, "--list")
    assert reason in capsys.readouterr().out
    # Stage 1 writes what is there.
    monkeypatch.setenv("DATA", (recipe / "dump/raw/train/done.json").read_text())
    assert run(recipe, "--jobs", "1") == 0
    assert leaves(calls(recipe)) == (every if again is None else again)


def test_a_failure_stops_only_what_needs_it(recipe, monkeypatch, caplog):
    monkeypatch.setenv("FAIL", "asr_reference_s1")
    assert run(recipe, "--jobs", "1") == 2
    assert leaves(calls(recipe)) == [
        *("asr_reference_s1", "asr_scratch_s1_6l"),
        *("asr_reference_s2", "asr_scratch_s2_6l", "asr_encrl_s2_6l"),
    ]
    message = caplog.text
    assert "2 of 6 jobs failed: reference_s1, encrl_s1" in message
    assert "this one fails" in (recipe / "exp/runs/reference_s1.log").read_text()
    monkeypatch.delenv("FAIL")
    assert run(recipe, "--jobs", "1") == 0
    assert leaves(calls(recipe)) == ["asr_reference_s1", "asr_encrl_s1_6l"]


def test_jobs_run_side_by_side_and_never_before_what_they_need(recipe, monkeypatch):
    monkeypatch.setenv("SLEEP", "0.4")
    assert run(recipe, "--jobs", "2", "--no_tables") == 0
    lines = [x.split("\x1f") for x in (recipe / "calls").read_text().splitlines()]
    began = {x[2].split(",")[2]: float(x[0]) for x in lines if x[1] == "--leaves"}
    # The first two overlap; the third began after one of them had ended.
    assert began["asr_scratch_s1_6l"] - began["asr_reference_s1"] < 0.4
    for seed in 1, 2:
        gap = began[f"asr_encrl_s{seed}_6l"] - began[f"asr_reference_s{seed}"]
        assert gap >= 0.4


def test_another_folder_of_models_sees_the_statistics(recipe):
    assert run(recipe, "--rows", "more", "--jobs", "1") == 0
    assert (recipe / "exp/more/asr_stats_raw").is_dir()
    assert (recipe / "exp/more/asr_more_s1_6l/meta.json").is_file()


def still_there(recipe):
    """Return the processes that work in a folder."""
    found = []
    for cwd in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [cwd.parent.name] if cwd.resolve() == recipe.resolve() else []
        except OSError:  # another user's, or gone
            pass
    return found


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_stops_the_jobs_and_they_are_due_again(recipe, number, prepare):
    """In the jobs, or in the stages before them."""
    env = {**os.environ, "SLEEP": "30"}
    command = [sys.executable, "-m", "espnet_plugin.bin.experiments", "--jobs", "2"]
    plan = yaml.safe_load((recipe / "experiments.yaml").read_text())
    if not prepare:
        del plan["prepare"]
    (recipe / "experiments.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    process = subprocess.Popen(
        command,
        cwd=recipe,
        env=env,
        stderr=subprocess.PIPE,
        # Ignored where a shell has started the tests in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.time() + 60
    while not (recipe / "calls").exists() and time.time() < end:
        time.sleep(0.1)
    assert still_there(recipe)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number and b"resume" in stderr
    assert not (recipe / "exp/asr_reference_s1").exists()
    assert still_there(recipe) == []
    calls(recipe)
    assert run(recipe, "--jobs", "2", "--no_tables") == 0
    assert len(leaves(calls(recipe))) == 6


def test_a_second_one_on_the_same_folder_is_refused(recipe):
    env = {**os.environ, "SLEEP": "3"}
    command = [sys.executable, "-m", "espnet_plugin.bin.experiments", "--no_tables"]
    first = subprocess.Popen(command, cwd=recipe, env=env, stderr=subprocess.DEVNULL)
    end = time.time() + 60
    while not (recipe / "calls").exists() and time.time() < end:
        time.sleep(0.1)
    second = subprocess.run(command, cwd=recipe, capture_output=True, text=True)
    first.kill()
    first.wait()
    assert second.returncode == 2 and "another run is using" in second.stderr


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        (["--", "--expdir", "exp2"], "--expdir"),
        # The plan fills in the seed: every job would have the same value.
        (["--", "--leaves", "x"], "--leaves cannot be given after --"),
        # Each job would end without work, and count as finished.
        (["--", "--dry-run", "true"], "--dry-run cannot be given after --"),
        (["--", "--help"], "--help cannot be given after --"),
        (["--rows", "mian"], "--rows mian"),
    ],
)
def test_wrong_options_are_refused_before_work_starts(recipe, caplog, more, fact):
    assert run(recipe, *more) == 2
    assert fact in caplog.text and not calls(recipe)


def test_a_script_that_cannot_be_started_is_named(recipe, caplog):
    (recipe / "run.sh").chmod(0o644)
    assert run(recipe, "--no_tables") == 2
    assert "./run.sh cannot be started in" in caplog.text


def test_seeds_in_quotes_are_several(recipe):
    assert run(recipe, "--seeds", "4 5", "--jobs", "1", "--no_tables") == 0
    assert {name[-1] for name in leaves(calls(recipe)) if "ref" in name} == {"4", "5"}
    with pytest.raises(SystemExit):
        run(recipe, "--seeds", "4 x")


def test_a_cluster_gets_the_job_and_its_log(recipe):
    launcher = recipe / "queue.pl"
    launcher.write_text(
        '#!/bin/bash\necho "$*" >> launched\nlog=$3\nshift 3\n'
        'echo "backend ${cmd_backend}" > "$log"; "$@" >> "$log" 2>&1\n'
    )
    launcher.chmod(0o755)
    launch = f"{launcher} --gpu 1"
    assert run(recipe, "--launch", launch, "--seeds", "1", "--no_tables") == 0
    log = recipe / "exp/runs/reference_s1.log"
    assert f"--gpu 1 {log}" in (recipe / "launched").read_text()
    assert "backend local" in log.read_text()


def test_a_damaged_record_counts_as_none(recipe, capsys):
    assert run(recipe, "--seeds", "1", "--no_tables") == 0
    file = recipe / "exp/runs/reference_s1.json"
    whole = json.loads(file.read_text())
    for part in {"after": []}, {"inputs": 3}, {"seconds": "x"}:
        file.write_text(json.dumps({**whole, **part}))
        assert run(recipe, "--seeds", "1", "--list") == 0
        assert "not run yet" in capsys.readouterr().out


def test_a_pattern_that_no_model_matches_is_a_failure(recipe, caplog, capsys):
    plan = yaml.safe_load((recipe / "experiments.yaml").read_text())
    plan["rows"]["scratch"]["leaves"] = ["asr_scrach_s{seed}_*"]
    (recipe / "experiments.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    assert run(recipe, "--jobs", "2") == 2
    said = "no model in exp matches 'asr_scrach_s1_*': correct leaves or options of"
    assert f"scratch_s1 ended, but {said} rows.scratch" in caplog.text
    assert run(recipe, "--list") == 0
    assert "failed" in capsys.readouterr().out


def test_a_launcher_that_does_not_exist(recipe, caplog):
    assert run(recipe, "--launch", "no-such-queue", "--jobs", "1") == 2
    said = "--launch no-such-queue: no-such-queue cannot be started in"
    assert said in caplog.text and "No such file" in caplog.text


def test_a_folder_instead_of_a_plan(recipe, caplog):
    assert main([str(recipe / "conf")]) == 2
    assert "conf is a folder: give the file with the plan" in caplog.text
