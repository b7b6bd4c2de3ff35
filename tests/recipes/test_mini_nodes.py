"""Two nodes by ESPnet's launcher: both are this machine, reached by an ssh of ours."""

import json

import pytest
from mini_recipe import run

pytestmark = pytest.mark.slow

# ssh HOST bash "<< EOF ... EOF": what ESPnet's launcher asks for.
SSH = """#!/usr/bin/env bash
echo "$1" >> "${SEEN}"
bash -c "bash $3"
"""


def test_encrl_and_fine_tuning_on_two_nodes(copy, tmp_path, monkeypatch):
    ssh = tmp_path / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(ssh.parent), prepend=":")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    # The development set has one utterance; two ranks want one each.
    for table, folder in (
        *(("wav.scp", "dump/raw/{}"), ("text", "dump/raw/{}")),
        *(
            ("utt2num_samples", "dump/raw/{}"),
            ("speech_shape", "exp/asr_stats_raw_char/{}"),
        ),
    ):
        names = ("train", "valid") if "stats" in folder else ("train", "dev")
        source, target = (copy / folder.format(name) / table for name in names)
        with open(target, "a") as stream:
            stream.write(source.read_text().splitlines()[0] + "\n")
    run(
        *(copy, "--stage", "5", "--stop_stage", "6", "--tag", "nodes"),
        *("--hosts", "here,there", "--sizes", "1", "--encrl_layers", "1"),
    )
    seen = (tmp_path / "seen").read_text().split()
    assert sorted(seen) == ["here"] * 2 + ["there"] * 2
    for name, alone in (
        ("encrl_nodes_s1", "encrl_encrl_s1"),
        ("asr_nodes_s1_1l", "asr_encrl_s1_1l"),
    ):
        costs = [
            json.loads((copy / "exp" / folder / "cost.json").read_text())
            for folder in (name, alone)
        ]
        # The ranks shared each batch: together they saw what one process sees.
        assert costs[0]["audio_seconds"] == pytest.approx(costs[1]["audio_seconds"])
        assert costs[0]["epochs"] == costs[1]["epochs"]
    for job in ("encrl", "finetune_1"):
        log = (copy / f"exp/log/{job}_nodes_s1.log").read_text()
        # Two trainings that knew nothing of each other would want the same folder.
        assert "--dist_rank 0 --dist_world_size 2" in log
        assert "--dist_rank 1 --dist_world_size 2" in log
    assert (copy / "exp/asr_nodes_s1_1l/done.json").exists()
    result = run(copy, "--stage", "8", "--num_nodes", "2", check=False)
    assert result.returncode == 2 and "stage 8 trains on one node" in result.stderr
