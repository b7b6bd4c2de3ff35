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


@pytest.fixture
def two_nodes(copy, tmp_path, monkeypatch):
    """The file that our ssh notes its hosts in."""
    ssh = tmp_path / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(ssh.parent), prepend=":")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    # The development set has one utterance; two ranks want one each.
    for table, folder in (
        *((name, "dump/raw/{}") for name in ("wav.scp", "text", "utt2spk")),
        ("utt2num_samples", "dump/raw/{}"),
        ("speech_shape", "exp/asr_stats_raw_char/{}"),
    ):
        names = ("train", "valid") if "stats" in folder else ("train", "dev")
        source, target = (copy / folder.format(name) / table for name in names)
        with open(target, "a") as stream:
            stream.write(source.read_text().splitlines()[0] + "\n")
    return tmp_path / "seen"


def test_encrl_and_fine_tuning_on_two_nodes(copy, two_nodes):
    run(
        *(copy, "--stage", "5", "--stop_stage", "6", "--tag", "nodes"),
        *("--hosts", "here,there", "--sizes", "1", "--encrl_layers", "1"),
        warm=False,  # ssh carries no environment
    )
    seen = two_nodes.read_text().split()
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


def test_baselines_on_two_nodes(copy, two_nodes):
    """Two trainings in one job, and what the first process does alone in between."""
    run(
        *(copy, "--stage", "8", "--stop_stage", "8", "--hosts", "here,there"),
        *("--baselines", "layer_copy_spaced magnitude", "--sizes", "1"),
        warm=False,
    )
    assert sorted(two_nodes.read_text().split()) == ["here", "there"]
    log = (copy / "exp/log/baselines_encrl_s1.log").read_text()
    assert "training number 1 of the first process" in log
    assert "training number 2 of the first process" in log
    for name, folder in (
        ("layer_copy_spaced", "asr_layer_copy_spaced_s1_1l"),
        ("magnitude", "asr_magnitude_s1_1l"),
    ):
        assert (copy / f"exp/{folder}/decode_best_path/test/score.json").is_file()
        cost = json.loads((copy / f"exp/{folder}/cost.json").read_text())
        alone = json.loads((copy / "exp/asr_encrl_s1_1l/cost.json").read_text())
        each = alone["audio_seconds"] / alone["epochs"]
        # Each rank saw its share of each batch.
        assert cost["audio_seconds"] == pytest.approx(each * cost["epochs"]), name
