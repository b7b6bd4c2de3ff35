"""Every experiments.yaml asks its recipe for what that recipe has."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from espnet_plugin.runs.plan import make_jobs
from espnet_plugin.runs.spec import read_spec

EGS2 = Path(__file__).parents[2] / "egs2"
PLANS = sorted(path for path in EGS2.glob("*/*/experiments.yaml"))
# Of these rows alone the configuration is a file of the recipe.
FILES = {"encrl1": "conf/baselines", "dualmode1": "conf/dualmode/rows"}


def jobs_of(plan):
    spec = read_spec(plan)
    groups = sorted({row.group for row in spec.rows.values()})
    return make_jobs(spec, groups)


def options_of(job):
    return dict(zip(job.words[::2], job.words[1::2]))


def test_there_are_plans():
    assert len(PLANS) >= 3


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parts[-3])
def test_named_configurations_are_there(plan):
    folder = plan.parent / FILES[plan.parent.name]
    named = [
        name
        for job in jobs_of(plan)
        for option in ("--baselines", "--rows")
        for name in options_of(job).get(option, "").split()
    ]
    assert all((folder / f"{name}.yaml").is_file() for name in named)


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parts[-3])
def test_each_seed_has_models_and_a_reference_of_its_own(plan):
    leaves = [(job.expdir, name) for job in jobs_of(plan) for name in job.leaves]
    assert len(leaves) == len(set(leaves)) > 0
    for job in jobs_of(plan):
        given = options_of(job)
        seed = given.get("--seed", given.get("--reference_seed"))
        assert seed == str(job.seed)


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parts[-3])
def test_the_recipe_takes_the_options(plan):
    """Wrong options before --help give an exit status above 0."""
    seen = set()
    for job in jobs_of(plan):
        if job.row in seen:
            continue
        seen.add(job.row)
        asked = subprocess.run(
            ["./run.sh", *job.words, "--help"],
            cwd=plan.parent,
            capture_output=True,
            text=True,
        )
        assert asked.returncode == 0, (job.name, asked.stderr)
        assert "Stages" in asked.stdout


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parts[-3])
def test_the_script_lists_what_is_due(plan):
    listed = subprocess.run(
        ["./table.sh", "--list"], cwd=plan.parent, capture_output=True, text=True
    )
    assert listed.returncode == 0, listed.stderr
    # A line of titles, one for each row of the default groups, one about the rest.
    title, *lines, _ = listed.stdout.splitlines()
    assert title.split()[:2] == ["row", "finished"]
    numbers = Counter(job.row for job in make_jobs(read_spec(plan)))
    assert {line.split()[0]: int(line.split()[3]) for line in lines} == numbers


def test_the_script_explains_itself_in_any_folder(tmp_path):
    script = EGS2 / "TEMPLATE/encrl1/table.sh"
    asked = subprocess.run(
        [script, "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert asked.returncode == 0 and "--rows" in asked.stdout, asked.stderr
    started = subprocess.run([script], cwd=tmp_path, capture_output=True, text=True)
    assert started.returncode == 2 and "start it in its folder" in started.stderr
