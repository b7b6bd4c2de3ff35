"""Commands of cmd.sh, independent jobs and Ctrl-C, with commands that take no time."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from stub_reference import write_config
from this_python import write_path_sh

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/encrl1"

# The same before a real run.sh, whose options encrl.sh then checks without working.
CHECKED_SH = """#!/usr/bin/env bash
[[ "$*" != *--print_option* ]] || exec ./run.sh "$@"
echo "$*" >> called.txt
exec ./run.sh "$@" --dry_run true --python true
"""
# The interface of Kaldi's scripts: options, an array of jobs, a log, a command.
RUN_PL = """#!/usr/bin/env bash
echo "$*" >> submitted.txt
jobs=1
while [ "${1#--}" != "$1" ]; do shift 2; done
if [ "${1#JOB=1:}" != "$1" ]; then jobs=${1#JOB=1:}; shift; fi
for n in $(seq "${jobs}"); do
    log=${1//JOB/${n}}
    "${@:2}" > /dev/null 2>&1 < /dev/null || true
done
"""
# What jobs.sh calls: it notes its options, and fails where it is told to.
RUN_SH = """#!/usr/bin/env bash
[[ "$*" != *"--print_option finetune"* ]] || { echo each; exit; }
for option in "$@"; do [ -n "${option}" ] || { echo "an empty option"; exit 1; }; done
echo "${cmd_backend:-} $*" >> called.txt
[[ "$*" != *"${FAIL:-nothing fails}"* ]] || { echo "the reason"; exit 1; }
"""


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "corpus/encrl1"
    subprocess.run([TEMPLATE / "setup.sh", folder], check=True, capture_output=True)
    write_path_sh(folder)
    (folder / "run.sh").write_text(RUN_SH)
    return folder


def jobs(recipe, *options, check=True, **environment):
    result = subprocess.run(
        ["./jobs.sh", *options],
        cwd=recipe,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert not check or result.returncode == 0, result.stderr
    return result


def called(recipe):
    return (recipe / "called.txt").read_text().splitlines()


def test_each_seed_size_and_baseline_is_a_job_of_its_own(recipe):
    options = ["--seeds", "1 2", "--sizes", "2 4", "--baselines", "scratch width"]
    jobs(recipe, *options, "--", "--asr_recipe", "/a b/asr1")
    lines = called(recipe)
    assert all("--asr_recipe /a b/asr1 --ngpu 0 --expdir exp" in x for x in lines)
    stages = [line.split("--stage ")[1][0] for line in lines]
    # The reference before all, the report at the end.
    assert stages[0] == "4" and stages[-1] == "9"
    assert sorted(stages[1:-1]) == [*"55", *"6666", *"8888"]
    for seed in (1, 2):
        own = [x for x in lines if f"--seed {seed} " in x]
        baselines = [x for x in own if "--baselines" in x]
        assert len(baselines) == 2 and all("--sizes 2 4 " in x for x in baselines)
        # Fine-tuning after stage 5 of its seed.
        places = [n for n, x in enumerate(own) if "--encrl_layers 4" in x]
        assert len(places) == 3 and "--stage 5" in own[places[0]]
        for size in (2, 4):
            tuned = [x for x in own if "--stage 6" in x]
            assert len([x for x in tuned if f"--sizes {size} " in x]) == 1


def test_sizes_with_a_width_are_no_layers_of_a_larger_student(recipe):
    jobs(recipe, "--sizes", "2 4x72 6x48")
    lines = called(recipe)
    tuned = [x.split("--sizes ")[1].split(" ")[0] for x in lines if "--stage 6" in x]
    assert sorted(tuned) == ["2", "4x72", "6x48"]
    (first,) = [x for x in lines if "--stage 5 --stop_stage 5" in x]
    assert "--encrl_layers 2 " in first and "--sizes 2 4x72 6x48 " in first


def test_a_budget_is_for_one_process(recipe):
    result = jobs(recipe, "--", "--budget", "1M", check=False)
    assert result.returncode == 2 and "--budget" in result.stderr
    assert not (recipe / "called.txt").exists()


@pytest.mark.parametrize(
    "more, said",
    [
        # All seeds would train the same model; the folder would not be that of jobs.sh.
        (["--seed", "5"], "--seed cannot be given after --, because each job has its"),
        (["--sizes", "4 2"], "--sizes cannot be given after --"),
        (["--expdir", "other"], "--expdir cannot be given after --"),
        (["--ngpu", "1"], "--ngpu cannot be given after --"),
        (["--max-jobs", "1"], "--max-jobs cannot be given after --"),
        (["--stop_stage", "6"], "--stop_stage cannot be given after --"),
        (["--dry_run", "true"], "--dry_run cannot be given after --, because no job"),
        (["--print_option", "sizes"], "--print_option cannot be given after --"),
    ],
)
def test_options_that_jobs_have_themselves_are_refused(recipe, more, said):
    result = jobs(recipe, "--sizes", "2", "--", *more, check=False)
    assert result.returncode == 2 and said in result.stderr
    assert not (recipe / "called.txt").exists()


@pytest.mark.parametrize(
    "options, said",
    [
        (["--run", "./nothing.sh"], "--run ./nothing.sh: ./nothing.sh cannot be"),
        (
            ["--seeds", "1,2"],
            '--seeds 1,2: several values are separated by spaces: "1 2"',
        ),
        (["--baselines", "width width"], "width is given twice: give it once"),
    ],
)
def test_mistakes_in_its_own_options(recipe, options, said):
    result = jobs(recipe, *options, check=False)
    assert result.returncode == 2 and said in result.stderr


def test_options_of_run_sh_come_after_two_dashes(recipe):
    result = jobs(recipe, "--asr_recipe", "../asr1", "--seeds", "1 2", check=False)
    assert result.returncode == 2
    assert "--asr_recipe is an option of run.sh: write it after --" in result.stderr
    assert not (recipe / "called.txt").exists()


def test_the_same_command_again_calls_every_stage_again(recipe):
    """The stages themselves know what is finished, and what it was made from."""
    jobs(recipe, "--sizes", "2")
    before = called(recipe)
    jobs(recipe, "--sizes", "2")
    assert called(recipe) == 2 * before


TOGETHER = """#!/usr/bin/env bash
./encrl.sh --student_init spaced --family nested --freeze encoder.embed \\
    --finetune together --finetune_alone 2:4 "$@"
"""


def test_a_joint_fine_tuning_is_one_job_a_seed(recipe):
    """With a run.sh that fine-tunes all sizes at once and one of them further."""
    (recipe / "run.sh").write_text(TOGETHER)
    (recipe / "checked.sh").write_text(CHECKED_SH)
    (recipe / "checked.sh").chmod(0o755)
    options = ["--run", "./checked.sh", "--seeds", "1 2", "--baselines", "scratch"]
    jobs(recipe, *options)
    tuned = [line for line in called(recipe) if "--stage 6" in line]
    assert sorted(line.split(" --ngpu")[0] for line in tuned) == [
        f"--stage 6 --stop_stage 7 --seed {seed} --encrl_layers 6 --sizes 6 4 2"
        for seed in (1, 2)
    ]
    # Each size alone, where that is wanted instead.
    (recipe / "called.txt").unlink()
    jobs(recipe, *options, "--", "--finetune", "each", "--finetune_alone", "")
    tuned = [line for line in called(recipe) if "--stage 6" in line]
    assert len(tuned) == 6


ONLY_CUT = """#!/usr/bin/env bash
./encrl.sh --family nested --finetune_epochs 0 --finetune_alone smallest:5 "$@"
"""


def test_cutting_out_all_sizes_is_one_job_a_seed(recipe):
    """A job with one size could not know which one is the smallest."""
    (recipe / "run.sh").write_text(ONLY_CUT)
    (recipe / "checked.sh").write_text(CHECKED_SH)
    (recipe / "checked.sh").chmod(0o755)
    jobs(recipe, "--run", "./checked.sh")
    (tuned,) = [line for line in called(recipe) if "--stage 6" in line]
    assert "--encrl_layers 6 --sizes 6 4 2 " in tuned


def test_options_that_fit_no_job_are_refused_before_the_first(recipe):
    (recipe / "run.sh").write_text(TOGETHER)
    result = jobs(recipe, "--sizes", "6 4", check=False)
    assert result.returncode == 2
    assert "--finetune_alone 2:4: must be one of --sizes 6 4" in result.stderr
    result = jobs(recipe, "--baselines", "scratsh", check=False)
    assert result.returncode == 2
    assert "conf/baselines/scratsh.yaml is missing; there are" in result.stderr
    assert not list(recipe.glob("exp/jobs/*.log"))


def test_a_job_that_fails_is_named_and_the_others_run(recipe):
    options = ["--seeds", "1 2 3"]
    result = jobs(
        recipe, *options, check=False, FAIL="--stage 5 --stop_stage 5 --seed 2"
    )
    assert result.returncode != 0
    assert "the reason (exp/jobs/encrl_s2.log)" in result.stderr
    assert "encrl_s1 failed" not in result.stderr
    lines = called(recipe)
    assert sum("--stage 5" in line for line in lines) == 3
    # Only what needs it does not begin, and there is no report of less.
    tuned = {line.split("--seed ")[1][0] for line in lines if "--stage 6" in line}
    assert tuned == {"1", "3"}
    assert not any("--stage 9" in line for line in lines)


def kaldi(tmp_path, recipe, text=RUN_PL):
    folder = tmp_path / "utils"
    folder.mkdir()
    (folder / "run.pl").write_text(text)
    (folder / "run.pl").chmod(0o755)
    return {"cmd_backend": "run.pl", "KALDI_UTILS": str(folder)}


def test_jobs_go_through_kaldis_scripts(tmp_path, recipe):
    environment = kaldi(tmp_path, recipe, RUN_PL.replace("> /dev/null", '> "${log}"'))
    jobs(recipe, "--seeds", "1 2", "--sizes", "2", "--ngpu", "1", **environment)
    submitted = (recipe / "submitted.txt").read_text().splitlines()
    folder = recipe.resolve() / "exp/jobs"
    assert sorted(line.split(" ./run.sh")[0] for line in submitted) == [
        f"--gpu 1 {folder}/{name}.log env cmd_backend=local"
        for name in ("encrl_s1", "encrl_s2", "finetune_2_s1", "finetune_2_s2")
    ]
    # On its node a job runs its stages itself.
    inside = [x for x in called(recipe) if "--stage 5" in x or "--stage 6" in x]
    assert len(inside) == 4 and all(x.startswith("local ") for x in inside)


def test_unknown_backends(recipe):
    result = jobs(recipe, check=False, cmd_backend="queue.pl", KALDI_UTILS="/nowhere")
    assert "queue.pl is not on PATH: set KALDI_UTILS" in result.stderr
    result = jobs(recipe, check=False, cmd_backend="grid")
    assert "cmd_backend=grid is unknown" in result.stderr


def encrl(recipe, *options, script="./encrl.sh", **environment):
    return subprocess.Popen(
        [script, *options],
        cwd=recipe,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # Tests that run in the background inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_stage_goes_through_kaldis_scripts(tmp_path, recipe):
    write_config(recipe / "r")
    process = encrl(
        recipe,
        *("--stage", "4", "--stop_stage", "4", "--reference", "r", "--ngpu", "2"),
        **kaldi(tmp_path, recipe),
        python="echo",
    )
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    submitted = (recipe / "submitted.txt").read_text().split()
    assert submitted[0] == "exp/log/import_encrl_s1.log"
    assert "espnet_plugin.bin.import_reference" in submitted


@pytest.mark.parametrize("stage", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_ctrl_c_in_any_stage_says_how_to_go_on(recipe, stage):
    """As from a terminal: the whole foreground group gets the signal."""
    (recipe / "local/data.sh").write_text("#!/bin/sh\necho waiting\nexec sleep 60\n")
    waits = recipe / "waits"
    waits.write_text("#!/bin/sh\necho waiting\nexec sleep 60\n")
    for script in (waits, recipe / "local/data.sh"):
        script.chmod(0o755)
    # What the stages before would have left.
    for name in (
        "data/train/text",
        "dump/raw/train/done.json",
        "dump/raw/dev/done.json",
        "data/token_list/char/tokens.txt",
        "exp/asr_stats_raw_char/.done",
        "exp/asr_stats_raw_char/train/speech_shape",
        "exp/asr_reference/meta.json",
        "exp/asr_reference/config.yaml",
        "exp/encrl_encrl_s1/done.json",
        "exp/asr_encrl_s1_6l/meta.json",
    ):
        (recipe / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe / name).write_text("{}")
    os.utime(recipe / "exp/asr_stats_raw_char/.done", (1, 1))
    numbers = ("--stage", str(stage), "--stop_stage", str(stage))
    process = encrl(recipe, *numbers, "--python", str(waits))
    printed = ""
    while "waiting" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Interrupted" in rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_run_sh_reaches_the_command_that_runs(recipe, number):
    """As from a queue, or kill: the script that was called alone gets the signal."""
    (recipe / "run.sh").unlink()
    subprocess.run([TEMPLATE / "setup.sh", recipe.parent / "other"], check=True)
    shutil.copy(recipe.parent / "other/run.sh", recipe)
    (recipe / "local/data.sh").write_text("#!/bin/sh\necho $$\nexec sleep 60\n")
    (recipe / "local/data.sh").chmod(0o755)
    process = encrl(recipe, "--stop_stage", "1", "--python", "true", script="./run.sh")
    line = process.stdout.readline()
    while not line.strip().isdigit():
        assert line
        line = process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int(line), 0)


@pytest.mark.parametrize("status, said", [(3, True), (5, False)])
def test_an_export_that_lost_too_much_is_told_by_the_status(recipe, status, said):
    model = recipe / "exp/asr_encrl_s1_6l"
    model.mkdir(parents=True)
    (model / "meta.json").write_text("{}")
    program = recipe / "gate"
    program.write_text(f"#!/bin/sh\necho $*\nexit {status}\n")
    program.chmod(0o755)
    process = encrl(
        recipe,
        *("--stage", "10", "--stop_stage", "10", "--python", "./gate"),
        *("--export_targets", "onnx sherpa-onnx"),
    )
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == status, printed
    # The other target is written all the same, after a gate that did not open.
    assert printed.count("espnet_plugin.bin.export") == 1 + said
    assert ("Run stage 9 again" in printed) == said
