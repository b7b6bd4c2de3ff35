"""A recipe folder for a corpus of one's own."""

import shutil
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


@pytest.mark.parametrize(
    "there, message",
    [
        ("db.sh", "has db.sh already: choose another folder"),
        # A link would be made in the folder.
        ("conf/train.yaml", "has conf already: choose another folder"),
        ("encrl.sh", "has encrl.sh already: choose another folder"),
    ],
)
def test_what_is_there_is_not_changed(tmp_path, there, message):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    result = setup("encrl1", tmp_path)
    assert result.returncode == 2 and f"{tmp_path}: {message}" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("inside", ["", "/encrl1"])
def test_a_file_is_no_folder(tmp_path, inside):
    (tmp_path / "file").write_text("mine")
    result = setup("encrl1", f"{tmp_path}/file{inside}")
    assert result.returncode == 2
    said = f"{tmp_path}/file{inside}: cannot be made or written to: choose another"
    assert result.stderr.startswith(said) and len(result.stderr.splitlines()) == 1


def test_run_sh_is_started_in_its_folder(tmp_path):
    folder = tmp_path / "corpus of mine/encrl1"
    setup("encrl1", folder)
    recipes = TEMPLATE.parent
    scripts = [*recipes.glob("[a-z]*/*1/run*.sh"), *recipes.glob("*/*1/demo.sh")]
    assert len(scripts) > 10
    for script in (folder / "run.sh", folder / "table.sh", *scripts):
        result = subprocess.run(
            [script, "--stage", "2"], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 2
        said = f"{script}: start it in its folder: cd {script.parent}\n"
        assert result.stderr == said
    # The template's scripts serve many folders.
    stages = TEMPLATE / "lmprune1/lmprune.sh"
    result = subprocess.run([stages], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and "call it in a recipe's folder" in result.stderr


def test_a_copy_of_the_template_is_no_recipe(tmp_path):
    copy = tmp_path / "egs2/mine/encrl1"
    shutil.copytree(TEMPLATE / "encrl1", copy)
    result = subprocess.run(
        ["./encrl.sh", "--stage", "2"], cwd=copy, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert f"{tmp_path} is not this plugin's repository" in result.stderr
    assert "egs2/TEMPLATE/encrl1/setup.sh FOLDER" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--mine"], ["one", "two"], ["--help"]])
def test_how_it_is_called(arguments):
    result = setup("dualmode1", *arguments)
    asked = arguments == ["--help"]
    assert result.returncode == (0 if asked else 2)
    said = result.stdout if asked else result.stderr
    assert "TEMPLATE/dualmode1/setup.sh /any/where/mycorpus/dualmode1" in said


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
