"""A training folder is finished once, can be resumed, and is never mixed."""

import errno
import logging
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json
from espnet_plugin.jobs.requests import (
    CutRequest,
    DistillationRequest,
    DualModeRequest,
    EncRLRequest,
    LMRequest,
    PlainRequest,
    PretrainingRequest,
    TrainingRequest,
)
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.option import options_of

CONFIG = {"lr": 0.1, "betas": (0.9, 0.98)}
REQUEST = TrainingRequest(CONFIG, ["--seed", "1"])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exp" / "asr_x"


def run(folder, request=REQUEST):
    """Run a job and return what it was given."""
    with training_job(folder, request) as todo:
        if todo is not None:
            (todo / "model.pth").write_text("weights")
        return todo


def test_runs_once(folder):
    assert run(folder) == folder
    assert read_json(folder / "done.json")
    assert run(folder) is None


def test_another_request_is_refused_by_its_first_difference(folder):
    run(folder)
    other = TrainingRequest({}, ["--seed", "2"])
    with pytest.raises(UserError) as caught:
        run(folder, other)
    said = str(caught.value)
    assert f"{folder} holds a result" in said and f"{folder}/request.json" in said
    assert "seed (was 1, is 2), and 2 more" in said
    with pytest.raises(UserError, match="kind .was TrainingRequest, is CutRequest"):
        run(folder, CutRequest("x", 1, "0a1b"))
    assert run(folder) is None


@pytest.mark.parametrize(
    "request_, options",
    [
        # Stages 4, 6 and 8 train plain models.
        (
            PlainRequest(CONFIG, [], "None"),
            {"--expdir", "--reference_exp", "--tag", "--baseline_dir", "--baselines"},
        ),
        (EncRLRequest(CONFIG, [], 1, "0a1b"), {"--tag", "--expdir"}),
        (PretrainingRequest(CONFIG, [], 1), {"--expdir"}),
        (
            DualModeRequest(CONFIG, [], (None, "keep", False)),
            {"--expdir", "--row_dir", "--rows"},
        ),
        (
            LMRequest(CONFIG, [], {}, 0, None),
            {"--expdir", "--row_dir", "--rows"},
        ),
    ],
)
def test_the_options_that_name_another_folder(folder, request_, options):
    """The message names those that the stage's family has, and no others."""
    run(folder, request_)
    with pytest.raises(UserError) as caught:
        run(folder, replace(request_, config={"lr": 0.2}))
    named = set(re.findall(r"--\w+", str(caught.value)))
    assert named == options
    declared = [
        {one.name for one in options_of(family.options)} for family in FAMILIES.values()
    ]
    assert any({name[2:] for name in named} <= names for names in declared)


def as_an_older_version_wrote_it(folder):
    """Leave out what is compared now; earlier versions compared the rest."""
    content = read_json(folder / "request.json")
    del content["inputs"]
    write_json(folder / "request.json", content)


def test_what_an_older_version_did_not_note_is_no_difference(folder, caplog):
    caplog.set_level(logging.INFO)
    run(folder)
    as_an_older_version_wrote_it(folder)
    assert run(folder, DistillationRequest(CONFIG, ["--seed", "1"], "0a1b")) is None
    assert "did not record the content of the data" in caplog.text
    with pytest.raises(UserError, match="different inputs: seed .was 1, is 2."):
        run(folder, TrainingRequest(CONFIG, ["--seed", "2"]))


def test_a_kill_is_gone_on_from(folder):
    with pytest.raises(KeyboardInterrupt):
        with training_job(folder, REQUEST):
            (folder / "1epoch.pth").touch()
            raise KeyboardInterrupt
    assert not (folder / "done.json").exists()
    with pytest.raises(UserError, match="an unfinished training with .* seed"):
        run(folder, replace(REQUEST, options=[]))
    assert run(folder) == folder


def test_refused_options_can_be_corrected(folder):
    with pytest.raises(SystemExit):
        with training_job(folder, replace(REQUEST, options=["--sed", "1"])):
            raise SystemExit(2)
    assert run(folder) == folder
    assert read_json(folder / "request.json")["options"] == REQUEST.options


def test_logs_to_a_file_and_stops_doing_so(folder, caplog):
    caplog.set_level(logging.INFO)
    handlers = list(logging.getLogger().handlers)
    with training_job(folder, REQUEST):
        logging.info("epoch one")
    logging.info("afterwards")
    assert logging.getLogger().handlers == handlers
    text = (folder / "train.log").read_text()
    assert "epoch one" in text and "afterwards" not in text
    with pytest.raises(ZeroDivisionError):
        with training_job(folder.with_name("other"), REQUEST):
            1 / 0
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # What torch.save raises when the disk is full.
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576"),
    ],
)
def test_a_full_disk_says_so(folder, error):
    with pytest.raises(UserError, match="Free some space.*checkpoint"):
        with training_job(folder, REQUEST):
            raise error
    assert not (folder / "done.json").exists()


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes"), FileNotFoundError("a"), UserError("b")]
)
def test_other_errors_are_no_full_disk(folder, error):
    with pytest.raises(type(error)) as caught:
        with training_job(folder, REQUEST):
            raise error
    assert caught.value is error


def test_a_second_run_is_refused_while_the_first_is_at_work(folder):
    with training_job(folder, REQUEST):
        with pytest.raises(UserError, match="another run is using .*: wait"):
            run(folder)
    assert run(folder) is None


def test_ranks_on_other_machines_are_let_in(folder, monkeypatch):
    with training_job(folder, REQUEST):
        monkeypatch.setenv("SLURM_PROCID", "1")
        assert run(folder) == folder
        monkeypatch.setenv("SLURM_PROCID", "0")
        with pytest.raises(UserError, match="another run"):
            run(folder)


def test_a_killed_run_keeps_nobody_out(folder):
    code = (
        "from pathlib import Path\n"
        "from espnet_plugin.jobs.requests import TrainingRequest\n"
        "from espnet_plugin.jobs.training_job import training_job\n"
        f"with training_job(Path({str(folder)!r}), {REQUEST!r}):\n"
        "    print('in', flush=True)\n"
        "    input()\n"
    )
    options = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen([sys.executable, "-c", code], **options) as first:
        assert first.stdout.readline() == "in\n"
        with pytest.raises(UserError, match="another run"):
            run(folder)
        first.kill()
    assert run(folder) == folder


def test_an_option_of_the_same_name_hides_no_input(folder):
    """ESPnet's init is how random weights are drawn, ours the first checkpoint."""
    for config in ({"init": None}, {"init": "xavier_uniform"}):
        one = folder / str(config["init"])
        begun = PlainRequest(config, [], "0a1b")
        for _ in range(2):
            with training_job(one, begun):
                (one / "1epoch.pth").touch()
        with pytest.raises(UserError, match=r"init \(was 0a1b, is 2c3d\)"):
            run(one, PlainRequest(config, [], "2c3d"))
