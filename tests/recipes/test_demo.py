"""demo.sh: what it runs beside what, and what a failure of either leaves."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "egs2/mini_synth/encrl1/demo.sh"
# Notes when each call begins and ends. Stage 8 waits for the file that stage 4's end
# makes, so it ends only if both run at the same time or 4 comes first.
RUN = """#!/usr/bin/env bash
if [[ " $* " == *" --print_option reference_exp"* ]]; then
    [[ " $* " != *" --wrong "* ]] || { echo "unknown option --wrong" >&2; exit 2; }
    echo "${REFERENCE:-exp/asr_reference}"; exit
fi
stage=$2
echo "begin $*" >> calls
case ${stage} in
    4) made=${REFERENCE:-exp/asr_reference}/${MADE:-checkpoint.pth}
       mkdir -p "$(dirname "${made}")"; sleep 0.5; touch "${made}" sign
       until grep -q "begin --stage 8" calls; do sleep 0.1; done
       echo $$ > pid4; sleep "${LONG:-0}" ;;
    8) [ -e sign ] || echo "begin too early" >> calls
       [ -z "${DEAF:-}" ] || trap '' TERM
       echo $$ > pid8; sleep "${SLEEP:-0}" ;;
    1) echo $$ > pid1; sleep "${FIRST:-0}" ;;
esac
[ "${stage}" != "${FAIL:-}" ] || { echo "stage ${stage} is broken" >&2; exit 3; }
echo "end ${stage}" >> calls
"""


@pytest.fixture
def recipe(tmp_path):
    shutil.copy(DEMO, tmp_path / "demo.sh")
    (tmp_path / "run.sh").write_text(RUN)
    (tmp_path / "run.sh").chmod(0o755)
    return tmp_path


def start(recipe, *options, **env):
    return subprocess.Popen(
        ["./demo.sh", *(options or ("--seed", "2"))],
        cwd=recipe,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests in the background are started with it ignored, which bash cannot undo.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def gone(recipe, name="pid8", seconds=10):
    pid, end = int((recipe / name).read_text()), time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_from_scratch_runs_beside_the_others(recipe):
    process = start(recipe)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    calls = (recipe / "calls").read_text().splitlines()
    ends = "--stop_stage"
    assert calls[:3] == [
        f"begin --stage 1 {ends} 3 --seed 2",
        "end 1",
        f"begin --stage 4 {ends} 7 --seed 2",
    ]
    assert calls[3] == f"begin --stage 8 {ends} 8 --seed 2"
    assert sorted(calls[4:6]) == ["end 4", "end 8"]
    assert calls[6:] == [
        f"begin --stage 9 {ends} 9 --remeasure_rtf true --seed 2",
        "end 9",
    ]
    assert "exp/log/scratch.log" in out


@pytest.mark.parametrize(
    "env", [{"REFERENCE": "other/asr_large"}, {"MADE": "meta.json"}]
)
def test_the_reference_may_lie_elsewhere_or_be_imported(recipe, env):
    process = start(recipe, **env)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "too early" not in (recipe / "calls").read_text()
    folder = Path(env.get("REFERENCE", "exp/asr_reference")).parent
    assert (recipe / folder / "log/scratch.log").is_file()


def test_a_wrong_option_is_refused_before_anything_runs(recipe):
    process = start(recipe, "--wrong", "1")
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and errors == "unknown option --wrong\n"
    assert not (recipe / "calls").exists()


def test_a_failure_beside_is_told_and_there_is_no_report(recipe):
    process = start(recipe, FAIL="8")
    out, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and "stage 8 is broken" in errors
    calls = (recipe / "calls").read_text()
    assert "end 4" in calls and "--stage 9" not in calls


def test_a_failure_of_the_rest_stops_what_runs_beside(recipe):
    process = start(recipe, FAIL="4", SLEEP="60")
    out, errors = process.communicate(timeout=30)
    assert process.returncode != 0 and "stage 4 is broken" in errors
    assert gone(recipe)


def wait_for(file):
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end, file
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stage", ["4", "8"])
def test_a_signal_to_it_alone_stops_all_that_it_started(recipe, number, stage):
    """While stage 4 runs beside 8, and while only 8 is waited for."""
    process = start(recipe, SLEEP="60", LONG="60" if stage == "4" else "0")
    for name in ("pid8", "pid4"):
        wait_for(recipe / name)
    if stage == "8":
        while "end 4" not in (recipe / "calls").read_text():
            time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert gone(recipe, "pid4") and gone(recipe, "pid8")
    calls = (recipe / "calls").read_text()
    assert "--stage 9" not in calls and "end 8" not in calls


def test_ctrl_c_of_a_terminal_in_stage_1_stops_it(recipe):
    process = start(recipe, FIRST="60")
    wait_for(recipe / "pid1")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130 and gone(recipe, "pid1")
    assert "--stage 4" not in (recipe / "calls").read_text()


def test_what_goes_on_after_sigterm_is_killed(recipe):
    script = (recipe / "demo.sh").read_text()
    assert "{1..200}" in script
    (recipe / "demo.sh").write_text(script.replace("{1..200}", "{1..5}"))
    process = start(recipe, SLEEP="60", DEAF="1")
    wait_for(recipe / "pid8")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143 and gone(recipe)
