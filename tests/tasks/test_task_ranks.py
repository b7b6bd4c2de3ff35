"""Which of several processes writes, and what is said when one is gone."""

import os
import signal
from dataclasses import dataclass

import pytest
import torch.multiprocessing as mp

from espnet_plugin.errors import UserError
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.tasks.ranks import is_first, named_failures, wait_for, without_ranks


@dataclass(frozen=True)
class Request:
    seed: int


@pytest.mark.parametrize(
    "options, environment, expected",
    [
        ([], {}, True),
        ([], {"RANK": "1"}, False),
        ([], {"RANK": "0"}, True),
        (["--dist_rank", "2"], {}, False),
        (["--dist_rank=0"], {"RANK": "1"}, True),
        (["--dist_launcher", "slurm"], {"SLURM_PROCID": "3", "RANK": "0"}, False),
        (["--dist_launcher", "mpi"], {"OMPI_COMM_WORLD_RANK": "1"}, False),
        (["--dist_launcher", "mpi"], {"PMI_RANK": "0"}, True),
    ],
)
def test_who_is_first(options, environment, expected, monkeypatch):
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first(["--max_epoch", "3", *options]) is expected


def test_what_differs_between_ranks_is_no_part_of_a_request():
    options = ["--dist_rank", "1", "--seed", "2", "--dist_init_method=file:///x"]
    options += ["--local_rank", "0", "--dist_backend", "gloo", "--max_epoch", "3"]
    assert without_ranks(options) == ["--seed", "2", "--max_epoch", "3"]


def test_a_rank_that_is_not_the_first_writes_nothing(tmp_path):
    folder = tmp_path / "asr_x"
    with training_job(folder, Request(1), first=False) as todo:
        assert todo == folder
    assert not folder.exists()
    with training_job(folder, Request(1)):
        (folder / "1epoch.pth").touch()
    with training_job(folder, Request(1), first=False) as todo:
        assert todo is None
    with pytest.raises(UserError, match="inputs: seed .was"):
        with training_job(folder, Request(2), first=False):
            pass


def test_waiting_ends(tmp_path):
    with pytest.raises(UserError, match="x.pth was not written .* within 0 s"):
        wait_for(tmp_path / "x.pth", seconds=0)
    (tmp_path / "x.pth").touch()
    wait_for(tmp_path / "x.pth", seconds=0)


def end(rank, how):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(2)


@pytest.mark.parametrize("how, said", [("kill", "SIGKILL"), ("exit", "exit code 2")])
def test_a_process_that_espnet_started_is_gone(how, said):
    # As espnet2.tasks.abs_task.AbsTask.main waits for its processes.
    message = (
        f"rank 0 of the training has died .*{said}.* last complete checkpoint in exp"
    )
    with pytest.raises(UserError, match=message):
        with named_failures("exp"):
            mp.start_processes(end, args=(how,), nprocs=1, start_method="fork")


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="timed out") as caught:
        with named_failures("exp"):
            raise RuntimeError("timed out")  # of no other process: there is none
    assert not isinstance(caught.value, UserError)
