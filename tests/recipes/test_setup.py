"""A recipe folder for a corpus of one's own."""

import subprocess
from pathlib import Path

import pytest
from this_python import write_path_sh

TEMPLATE = Path(__file__).parents[2] / "egs2/TEMPLATE"


def setup(name, *arguments):
    return subprocess.run(
        [TEMPLATE / name / "setup.sh", *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "name, wrong, message",
    [
        ("encrl1", ["--sizes", "0"], "--sizes 0"),
        ("dualmode1", ["--rows", "none"], "conf/dualmode/rows/none.yaml is missing"),
        ("lmprune1", ["--stop_stage", "9"], "--stop_stage 9"),
    ],
)
def test_the_folder_has_its_own_stages(tmp_path, name, wrong, message):
    folder = tmp_path / "corpus of mine" / name
    assert setup(name, folder).returncode == 0
    write_path_sh(folder)
    run = subprocess.run(
        ["./run.sh", *wrong], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 2 and message in run.stderr
    # What is edited is never written over.
    again = setup(name, folder)
    assert again.returncode == 2 and "is a recipe already" in again.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["one", "two"]])
def test_how_it_is_called(arguments):
    result = setup("dualmode1", *arguments)
    assert result.returncode == 2
    assert "TEMPLATE/dualmode1/setup.sh /any/where/mycorpus/dualmode1" in result.stderr


@pytest.mark.parametrize(
    "name, stages", [("encrl1", "encrl"), ("dualmode1", "dualmode")]
)
def test_models_on_another_disk_are_found(tmp_path, name, stages):
    """``exp`` may be a link."""
    folder, disk = tmp_path / "corpus" / name, tmp_path / "disk"
    setup(name, folder)
    write_path_sh(folder)
    (folder / "note").write_text('#!/bin/sh\necho "$*" >> called.txt\n')
    (folder / "note").chmod(0o755)
    (disk / "asr_some_s1_2l").mkdir(parents=True)
    (disk / "asr_some_s1_2l/meta.json").write_text("{}")
    (folder / "exp").symlink_to(disk)
    options = ["--python", "./note", "--stage", "9", "--stop_stage", "9"]
    command = [f"./{stages}.sh", *options]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    called = (folder / "called.txt").read_text()
    assert "espnet_plugin.bin.report exp/asr_some_s1_2l " in called
