"""The dual-mode recipe's script with commands that take no time: who is called, how."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from this_python import write_path_sh

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "egs2/TEMPLATE/dualmode1/setup.sh"
# The interface of Kaldi's scripts: options, a log, a command.
RUN_PL = """#!/usr/bin/env bash
while [ "${1#--}" != "$1" ]; do shift 2; done
echo "$*" >> submitted.txt
[[ "$*" != *"${FAIL:-nothing fails}"* ]] || { echo "the reason" > "$1"; exit 1; }
"""
OPTIONS = ("--rows", "self_pruned_50", "--baselines", "full_alone dense_dense")


@pytest.fixture
def recipe(tmp_path):
    """What stages 1 to 6 leave behind, as far as the script looks at it."""
    folder = tmp_path / "corpus/dualmode1"
    subprocess.run([SETUP, folder], check=True, capture_output=True)
    write_path_sh(folder)
    for name in (
        "exp/asr_stats_raw_char/.done",
        "dump/raw/audio/utt2num_samples",
        "data/token_list/char/tokens.txt",
    ):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    (folder / "exp/dual_pretrain").mkdir()
    (folder / "exp/dual_pretrain/done.json").write_text("{}")
    for row in ("self_pruned_50", "full_alone", "dense_dense"):
        (folder / f"exp/dual_{row}_s1").mkdir()
        (folder / f"exp/dual_{row}_s1/done.json").write_text("{}")
        (folder / f"exp/asr_{row}_s1.models").write_text(f"exp/asr_{row}_s1_full\n")
    return folder


def run(recipe, *options, python="echo", **environment):
    return subprocess.run(
        ["./run.sh", *OPTIONS, "--python", python, *options],
        cwd=recipe,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def kaldi(tmp_path, **more):
    script = tmp_path / "utils/run.pl"
    script.parent.mkdir()
    script.write_text(RUN_PL)
    script.chmod(0o755)
    return {"cmd_backend": "run.pl", "KALDI_UTILS": str(script.parent), **more}


def test_stages_go_through_kaldis_scripts_with_a_log_each(recipe, tmp_path):
    stages = ("--stage", "4", "--stop_stage", "8", "--pretrain_set", "audio")
    result = run(recipe, *stages, python="py -u", **kaldi(tmp_path))
    assert result.returncode == 0, result.stderr
    lines = (recipe / "submitted.txt").read_text().splitlines()
    called = [line.split(" -m espnet_plugin.bin.") for line in lines]
    assert [(before, after.split()[0]) for before, after in called] == [
        ("exp/log/pretrain_s1.log py -u", "dual_mode_ssl_train"),
        ("exp/log/train_self_pruned_50_s1.log py -u", "dual_mode_train"),
        ("exp/log/split_self_pruned_50_s1.log py -u", "dual_mode_split"),
        ("exp/log/evaluate_self_pruned_50_s1.log py -u", "evaluate"),
        ("exp/log/train_full_alone_dense_dense_s1.log py -u", "dual_mode_train"),
        ("exp/log/split_full_alone_dense_dense_s1.log py -u", "dual_mode_split"),
        ("exp/log/evaluate_full_alone_dense_dense_s1.log py -u", "evaluate"),
    ]


def test_baselines_may_be_given_by_their_older_name(recipe):
    stages = ("--stage", "8", "--stop_stage", "8")
    for name in ("--baselines", "--rivals"):
        result = run(recipe, *stages, name, "full_alone")
        assert result.returncode == 0, result.stderr
        assert "Stage 8: baselines full_alone" in result.stderr
        assert "dual_full_alone_s1" in result.stdout
        assert "dense_dense" not in result.stdout


def test_what_a_failed_job_said_is_shown(recipe, tmp_path):
    environment = kaldi(tmp_path, FAIL="dual_mode_split")
    result = run(recipe, "--stage", "5", "--stop_stage", "7", **environment)
    assert result.returncode == 2 and "the reason" in result.stderr
    assert "log is exp/log/split_self_pruned_50_s1.log" in result.stderr
    assert "bin.evaluate" not in (recipe / "submitted.txt").read_text()


@pytest.mark.parametrize("ngpu", [0, 1, 2])
def test_several_gpus_are_ranks_of_their_own(recipe, ngpu):
    stages = ("--stage", "4", "--stop_stage", "5", "--pretrain_set", "audio")
    result = run(recipe, *stages, "--ngpu", str(ngpu))
    assert result.returncode == 0, result.stderr
    first, *lines = result.stdout.splitlines()
    assert "bin.check_configs ssl:" in first and " dual_mode:" in first
    assert len(lines) == 2 and all(f"--ngpu {ngpu}" in line for line in lines)
    several = ["--multiprocessing_distributed true" in line for line in lines]
    assert several == [ngpu > 1] * 2


CHECK = "-m espnet_plugin.bin.check_environment --ngpu 2 --folders exp"


@pytest.mark.parametrize(
    "stage, unfinished",
    [(4, "dual_pretrain"), (5, "dual_self_pruned_50_s1"), (8, "dual_dense_dense_s1")],
)
def test_the_machine_is_looked_at_before_a_training(recipe, stage, unfinished):
    stages = ("--stage", f"{stage}", "--stop_stage", f"{stage}", "--ngpu", "2")
    options = (*stages, "--pretrain_set", "audio")
    assert CHECK not in run(recipe, *options).stdout  # all of it is finished
    (recipe / "exp" / unfinished / "done.json").unlink()
    check, configurations, *_ = run(recipe, *options).stdout.splitlines()
    assert "bin.check_configs " in configurations and check == CHECK
    # Where it cannot be done, no training begins.
    refuse = recipe / "refuse"
    refuse.write_text(
        '#!/bin/sh\necho "$*"\ncase "$*" in *.check_environment*) exit 2 ;; esac\n'
    )
    refuse.chmod(0o755)
    result = run(recipe, *options, python="./refuse")
    assert result.returncode == 2 and result.stdout.splitlines() == [CHECK]


def test_gpus_are_looked_for_before_the_data_stages(recipe):
    (recipe / "exp/dual_self_pruned_50_s1/done.json").unlink()
    (recipe / "data/train").mkdir()
    result = run(recipe, "--stage", "2", "--stop_stage", "7", "--ngpu", "2")
    called = result.stdout.splitlines()
    first = next(n for n, one in enumerate(called) if ".prepare " in one)
    assert CHECK in called[:first]


def test_a_queues_jobs_look_for_gpus_themselves(recipe, tmp_path):
    (recipe / "exp/dual_self_pruned_50_s1/done.json").unlink()
    options = ("--stage", "5", "--stop_stage", "5", "--ngpu", "2")
    said = run(recipe, *options, **kaldi(tmp_path)).stdout
    assert said.splitlines()[0] == CHECK.replace("--ngpu 2", "--ngpu 0")


def test_the_data_stages_get_rate_and_durations(recipe):
    """Those of the EncRL recipe, run with its script."""
    (recipe / "local/data.sh").write_text("#!/bin/sh\n")
    (recipe / "local/data.sh").chmod(0o755)
    (recipe / "data/train").mkdir(parents=True)
    options = ("--fs", "8000", "--min_wav_duration", "0.5", "--max_wav_duration", "9")
    result = run(recipe, *options, "--stage", "2", "--stop_stage", "2")
    assert result.returncode == 0, result.stderr
    said = result.stdout
    assert "--fs 8000" in said and "--min_wav_duration 0.5" in said
    assert "--max_wav_duration 9" in said


def test_a_pretraining_is_compared_with_what_starts_from_it(recipe):
    stages = ("--stage", "4", "--stop_stage", "4", "--pretrain_set", "audio")
    (recipe / "mine.yaml").write_text("encoder: dual_mode_conformer\n")
    result = run(recipe, *stages, "--train_config", "mine.yaml")
    assert "--fine_tuning_config mine.yaml" in result.stdout


def test_each_loss_of_the_pretraining_has_its_own_folder(recipe):
    stages = ("--stage", "4", "--stop_stage", "5", "--pretrain_set", "audio")
    (recipe / "mine.yaml").write_text("loss: [{name: wav2vec2}]\n")
    for config, name in (
        ("conf/dualmode/pretrain_wav2vec2.yaml", "dual_pretrain"),
        ("conf/dualmode/pretrain_best_rq.yaml", "dual_pretrain_best_rq"),
        ("mine.yaml", "dual_pretrain"),
    ):
        result = run(recipe, *stages, "--pretrain_config", config)
        assert result.returncode == 0, result.stderr
        pretraining, training = result.stdout.splitlines()[-2:]
        assert f"--output_dir exp/{name} " in pretraining
        assert f"--pretrained exp/{name}/latest.pth " in training
    (recipe / "mine.yaml").write_text("loss: wav2vec2\n")
    result = run(recipe, *stages, "--pretrain_config", "mine.yaml")
    assert result.returncode == 2 and "loss 'wav2vec2': must be a list" in result.stderr


def test_the_data_stages_format_the_audio_of_the_pretraining_once(recipe):
    (recipe / "local/data.sh").write_text("#!/bin/sh\n")
    (recipe / "data/train").mkdir(parents=True)
    stages = ("--stage", "2", "--stop_stage", "2", "--pretrain_set")
    said = run(recipe, *stages, "audio").stdout
    assert "--unlabelled_sets audio" in said
    # It is not trained on together with the training set, and may have its names.
    assert "--joined_set" not in said
    for name in ("train", "dev", "test"):
        result = run(recipe, *stages, name)
        assert result.returncode == 0, result.stderr
        assert "--unlabelled" not in result.stdout + result.stderr


def test_a_pretraining_on_the_training_set(recipe):
    (recipe / "dump/raw/train_sp").mkdir(parents=True)
    (recipe / "dump/raw/train_sp/utt2num_samples").write_text("")
    options = ("--pretrain_set", "train", "--speed_perturb_factors", "0.9 1.0")
    result = run(recipe, "--stage", "4", "--stop_stage", "4", *options)
    assert result.returncode == 0, result.stderr
    assert "dump/raw/train_sp/wav.scp,speech,sound" in result.stdout
    assert "--train_shape_file dump/raw/train_sp/utt2num_samples" in result.stdout


def test_audio_that_is_also_evaluated_on_is_mentioned(recipe):
    (recipe / "dump/raw/test").mkdir(parents=True)
    (recipe / "dump/raw/test/utt2num_samples").write_text("")
    stages = ("--stage", "4", "--stop_stage", "4", "--pretrain_set")
    said = run(recipe, *stages, "test").stderr
    assert "WARNING --pretrain_set test: is also a set to evaluate on" in said
    assert "WARNING" not in run(recipe, *stages, "audio").stderr


@pytest.mark.parametrize("stage, option", [(5, "--rows"), (8, "--baselines")])
def test_a_row_does_not_start_from_the_pretraining_of_other_data(recipe, stage, option):
    """As it was recorded by stage 4; the tables of the dump are changed after it."""
    table = recipe / "dump/raw/audio/wav.scp"
    (recipe / "a.wav").write_bytes(b"of no kind")
    table.write_text("u1 a.wav\n")
    (recipe / "dump/raw/dev").mkdir()
    (recipe / "dump/raw/dev/wav.scp").write_text("u2 a.wav\n")
    request = {"config": {}, "options": [], "seed": 1}
    inputs = {"kind": "PretrainingRequest", "train speech": "5 utterances, 1 (sound)"}
    record = recipe / "exp/dual_pretrain/request.json"
    record.write_text(json.dumps({**request, "inputs": inputs}))
    stages = ("--stage", f"{stage}", "--stop_stage", f"{stage}")
    options = (*stages, "--pretrain_set", "audio", option)
    result = run(recipe, *options, "pretrained_50")
    assert result.returncode == 2
    said = "exp/dual_pretrain, which rows start from, was pre-trained with different"
    assert said in result.stderr and "train speech (was 5 utterances" in result.stderr
    assert "bin.dual_mode_train" not in result.stdout
    # Deleted audio cannot be compared.
    table.rename(recipe / "kept")
    assert "bin.dual_mode_train" in run(recipe, *options, "pretrained_50").stdout
    (recipe / "kept").rename(table)
    # Rows that start elsewhere, and a checkpoint that is given, are not its business.
    (recipe / "latest.pth").write_text("")
    for others in ("self_pruned_50",), ("pretrained_50", "--pretrained", "latest.pth"):
        assert "bin.dual_mode_train" in run(recipe, *options, *others).stdout


def test_a_row_that_starts_from_another_loss_is_refused_before_the_pretraining(recipe):
    stages = ("--stage", "4", "--stop_stage", "8", "--pretrain_set", "audio")
    ours = ("--pretrain_config", "conf/dualmode/pretrain_best_rq.yaml")
    row, other = "pretrained_best_rq_50", "pretrained_50"
    for options, named in (
        (("--rows", row), f"its loss is wav2vec2, but the row {row} starts from best"),
        ((*ours, "--rows", other), f"its loss is best_rq, but the row {other} starts"),
        ((*ours, "--baselines", other), f"but the row {other} starts from wav2vec2"),
    ):
        result = run(recipe, *stages, *options)
        assert result.returncode == 2 and named in result.stderr
        assert result.stdout == ""
    # A checkpoint that is given decides for itself, and so does a later call.
    (recipe / "latest.pth").write_text("")
    stages, given = ("--pretrain_set", "audio", "--stage", "4"), "latest.pth"
    options = ("--rows", row, "--stop_stage", "5", "--pretrained", given)
    assert run(recipe, *stages, *options).returncode == 0
    options = ("--rows", row, "--stop_stage", "4")
    assert run(recipe, *stages, *options).returncode == 0


def test_a_row_that_needs_a_reference_is_refused_without_one(recipe):
    for stage, option, row, why in (
        ("5", "--rows", "copied_50", "starts from the layers of a reference"),
        ("5", "--rows", "taught_50", "learns from a reference"),
        ("8", "--baselines", "copied_streaming_alone", "starts from the layers"),
    ):
        for more in ((), ("--dry_run", "true")):
            stages = ("--stage", stage, "--stop_stage", stage)
            result = run(recipe, *stages, option, row, *more)
            assert result.returncode == 2 and result.stdout == ""
            assert f"--reference is not given, but the row {row} {why}" in result.stderr
    # The stages after the training do not need it.
    result = run(recipe, "--stage", "9", "--stop_stage", "9", "--rows", "copied_50")
    assert "--reference is not given" not in result.stderr
