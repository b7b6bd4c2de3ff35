""".ci/environment.sh and path.sh, without installing anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "environment.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def program(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path):
    """A PATH with the shell's programs, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("bash", "cat", "cksum", "df", "awk", "dirname", "head", "ls", "rm"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def environment(*args, path, script=SCRIPT, **variables):
    return subprocess.run(
        [shutil.which("bash"), str(script), *args],
        env={"PATH": os.pathsep.join(map(str, path)), "HOME": "/nonexistent"}
        | {name: str(value) for name, value in variables.items()},
        capture_output=True,
        text=True,
        timeout=60,
    )


def good_python(path):
    return program(path, f'exec "{sys.executable}" "$@"')


def test_passes_over_programs_that_do_not_run(tools, tmp_path):
    # What a pyenv shim does for a version that is not selected.
    shims = tmp_path / "shims"
    program(shims / "python3.12", "echo 'pyenv: command not found' >&2; exit 127")
    program(shims / "python3", "exit 1")  # stands for one that is too old
    good = good_python(tmp_path / "with space" / "python3.12")
    run = environment("--find_python", path=[shims, good.parent, tools])
    assert (run.returncode, run.stdout.strip()) == (0, str(good)), run.stderr


def test_looks_into_pyenv(tools, tmp_path):
    good = good_python(tmp_path / "pyenv/versions/3.13.0/bin/python")
    program(tmp_path / "pyenv/versions/3.12.9/bin/python", "exit 1")
    run = environment("--find_python", path=[tools], PYENV_ROOT=tmp_path / "pyenv")
    assert (run.returncode, run.stdout.strip()) == (0, str(good)), run.stderr


def test_takes_the_python_given(tools, tmp_path):
    good_python(tmp_path / "bin/python3.12")
    given = good_python(tmp_path / "given")
    run = environment("--find_python", path=[tmp_path / "bin", tools], PYTHON=given)
    assert run.stdout.strip() == str(given)


@pytest.mark.parametrize("option", [[], ["--find_python"]])
def test_refuses_a_broken_python_given(tools, tmp_path, option):
    """Also where a good one is on PATH: the user meant that one."""
    good_python(tmp_path / "bin/python3.12")
    broken = program(tmp_path / "broken", "echo Python 3.8.1; exit 3")
    run = environment(
        *option, path=[tmp_path / "bin", tools], PYTHON=broken, VENV=tmp_path / "venv"
    )
    assert run.returncode == 1
    assert f"PYTHON={broken} is not a working Python 3.12 or 3.13" in run.stderr
    assert "Python 3.8.1" in run.stderr
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all(tools, tmp_path):
    run = environment("--find_python", path=[tools])
    assert run.returncode == 1
    assert "no working Python 3.12 or 3.13 found" in run.stderr
    run = environment(path=[tools], VENV=tmp_path / "venv", MIN_FREE_GB=0)
    assert run.returncode == 1
    assert "give it with PYTHON=program" in run.stderr


def test_refuses_a_full_disk(tools, tmp_path):
    good_python(tmp_path / "bin/python3.12")
    run = environment(
        path=[tmp_path / "bin", tools], VENV=tmp_path / "a/venv", MIN_FREE_GB=10**7
    )
    assert run.returncode == 1
    assert f"GB free for {tmp_path}/a/venv" in run.stderr
    assert "VENV=dir" in run.stderr


def test_leaves_a_folder_alone_that_is_no_environment(tools, tmp_path):
    good_python(tmp_path / "bin/python3.12")
    program(tmp_path / "bin/uv", "exit 0")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/thesis.tex").write_text("mine")
    run = environment(
        path=[tmp_path / "bin", tools], VENV=tmp_path / "venv", MIN_FREE_GB=0
    )
    assert run.returncode == 1
    assert "is not an environment" in run.stderr
    assert (tmp_path / "venv/thesis.tex").read_text() == "mine"


@pytest.fixture
def fake(tools, tmp_path):
    """A copy of the repository's top and a uv that only notes how it was called."""
    repo = tmp_path / "repo"
    (repo / ".ci").mkdir(parents=True)
    for name in (".ci/environment.sh", "setup.py", "constraints.txt"):
        shutil.copy(ROOT / name, repo / name)
    good_python(tmp_path / "bin/python3.12")
    venv_python = program(
        tmp_path / "template",
        f'case "$*" in *"import espnet2"*) exit 0;;\n'
        # Where the plugin is installed from.
        f'*"find_spec"*espnet_plugin*) [ ! -e "{tmp_path}/owner" ] ||'
        f' read -r owner <"{tmp_path}/owner" && echo "$owner"; exit 0;; esac\n'
        f'exec "{sys.executable}" "$@"',
    )
    (tools / "cp").symlink_to(shutil.which("cp"))
    (tools / "mkdir").symlink_to(shutil.which("mkdir"))
    program(
        tmp_path / "bin/uv",
        f'echo "$*" >>"{tmp_path}/calls"\n'
        'if [ "$1" = venv ]; then\n'
        '    mkdir -p "${@: -1}/bin"\n'
        f'    cp "{venv_python}" "${{@: -1}}/bin/python"\n'
        "fi\n"
        f'if [ "$1" = pip ] && [ -e "{tmp_path}/offline" ]; then exit 1; fi',
    )

    def run(VENV=tmp_path / "venv"):
        return environment(
            path=[tmp_path / "bin", tools],
            script=repo / ".ci/environment.sh",
            VENV=VENV,
            MIN_FREE_GB=0,
        )

    def calls():
        text = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""
        return [line.split()[0] for line in text.splitlines() if line[0] != "-"]

    return repo, run, calls


def test_installs_once_and_again_after_a_change(fake):
    repo, run, calls = fake
    done = run()
    assert done.returncode == 0, done.stderr
    assert calls() == ["venv", "pip"]
    again = run()
    assert (again.returncode, again.stderr) == (0, "")
    assert calls() == ["venv", "pip"]
    with open(repo / "constraints.txt", "a") as stream:
        stream.write("# changed\n")
    assert run().returncode == 0
    assert calls() == ["venv", "pip", "pip"]


def test_another_checkouts_environment_is_not_taken_over(fake, tmp_path):
    repo, run, calls = fake
    assert run().returncode == 0
    (repo / "setup.py").write_text("# changed")
    other = tmp_path / "other"
    (tmp_path / "owner").write_text(f"{other}/espnet_plugin/__init__.py\n")
    other.mkdir()
    # A link may be there by chance.
    (repo / ".venv").symlink_to(tmp_path / "venv")
    refused = run(VENV="")
    assert refused.returncode == 1 and calls() == ["venv", "pip"]
    for fact in (str(other), str(repo), "is a link", "VENV="):
        assert fact in refused.stderr
    # Who names it wants it, and is told what it was.
    taken = run()
    assert taken.returncode == 0 and calls() == ["venv", "pip", "pip"]
    assert "WARNING" in taken.stderr and str(other) in taken.stderr
    # One's own, one that is gone, and no editable installation are replaced.
    for owner in (repo, tmp_path / "gone", "/venv/lib/python3.12/site-packages"):
        (repo / "setup.py").write_text(f"# changed for {owner}")
        (tmp_path / "owner").write_text(f"{owner}/espnet_plugin/__init__.py\n")
        again = run()
        assert again.returncode == 0 and "WARNING" not in again.stderr
    # A checkout copied as a whole has an environment of its own.
    (repo / ".venv").unlink()
    shutil.copytree(tmp_path / "venv", repo / ".venv")
    (tmp_path / "owner").write_text(f"{other}/espnet_plugin/__init__.py\n")
    copied = run(VENV="")
    assert copied.returncode == 0 and "WARNING" not in copied.stderr


def test_resumes_an_interrupted_installation(fake, tmp_path):
    repo, run, calls = fake
    (tmp_path / "offline").touch()
    failed = run()
    assert failed.returncode == 1
    assert "could not be installed" in failed.stderr
    assert "run this again" in failed.stderr
    (tmp_path / "offline").unlink()
    before = calls()
    assert run().returncode == 0
    assert calls()[len(before) :] == ["pip"]


def source_path_sh(tmp_path, shell, **variables):
    recipe = tmp_path / "repo/egs2/corpus/encrl1"
    recipe.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "egs2/TEMPLATE/encrl1/path.sh", recipe / "path.sh")
    (tmp_path / "repo/espnet_plugin").mkdir(
        exist_ok=True
    )  # by which it knows the repository
    return subprocess.run(
        ["bash", "-c", f"set -eu; . ./path.sh && {shell}"],
        cwd=recipe,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_path_sh_takes_the_repositorys_environment(tmp_path):
    program(tmp_path / "repo/.venv/bin/python3", "exit 0")
    shell = 'echo "$MAIN_ROOT|$PYTHONPATH|$OMP_NUM_THREADS|$LC_ALL|$(type -P python3)"'
    run = source_path_sh(tmp_path, shell)
    root = str((tmp_path / "repo").resolve())
    assert run.stdout.strip().split("|") == [
        *(root, root, "1", "C", f"{root}/.venv/bin/python3")
    ], run.stderr


def test_path_sh_takes_the_active_environment(tmp_path):
    active = program(tmp_path / "active/python3", "exit 0").parent
    run = source_path_sh(tmp_path, "type -P python3", PATH=f"{active}:/usr/bin:/bin")
    assert run.stdout.strip() == f"{active}/python3", run.stderr


def test_path_sh_runs_the_recipes_own_additions_last(tmp_path):
    program(tmp_path / "repo/.venv/bin/python3", "exit 0")
    local = tmp_path / "repo/egs2/corpus/encrl1/local"
    program(local / "path.sh", "OMP_NUM_THREADS=3")
    assert source_path_sh(tmp_path, "echo $OMP_NUM_THREADS").stdout.strip() == "3"


def test_path_sh_follows_espnet_root(tmp_path):
    espnet = tmp_path / "espnet"
    (espnet / "espnet2").mkdir(parents=True)
    program(espnet / "bin/python3", "exit 0")
    # Reads an unset variable, as ESPnet's own does, while the caller has `set -u`.
    program(espnet / "tools/activate_python.sh", f'PATH={espnet}/bin:$PATH"$unset"')
    run = source_path_sh(tmp_path, "type -P python3", ESPNET_ROOT=str(espnet))
    assert run.stdout.strip() == f"{espnet}/bin/python3", run.stderr
    run = source_path_sh(tmp_path, "true", ESPNET_ROOT=str(tmp_path / "absent"))
    assert run.returncode != 0
    assert "absent is not an ESPnet checkout" in run.stderr


def test_path_sh_says_what_to_do_without_an_environment(tmp_path):
    broken = program(tmp_path / "broken/python3", "exit 1").parent
    run = source_path_sh(tmp_path, "true", PATH=f"{broken}:/usr/bin:/bin")
    assert run.returncode != 0
    assert "make env" in run.stderr and "pip install -e ." in run.stderr


def test_hosted_workflows_check_what_ci_checks():
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert workflows
    for path in workflows:
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        steps = [step for job in jobs for step in job["steps"]]
        assert [step["run"] for step in steps if "run" in step] == [".ci/run"], path
    assert os.access(ROOT / ".ci/run", os.X_OK)
    # The tests come with what make docs needs, so that none of them is skipped.
    assert "docs]" in SCRIPT.read_text(encoding="utf-8")
