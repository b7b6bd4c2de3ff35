"""Schedules: upside down, blind to the optimiser's rate, or wrong when they step."""

import pytest
import torch
from espnet2.tasks.abs_task import scheduler_classes

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.configuration import check_configuration

COSINE = "cosineannealingwarmuprestarts"


def checked(scheduler, conf, lr=None):
    content = {"scheduler": scheduler, "scheduler_conf": conf, "optim": "adam"}
    if lr is not None:
        content["optim_conf"] = {"lr": lr}
    check_configuration(CountedASRTask, content, "--config a.yaml")


def rises(scheduler, conf):
    """Return whether ESPnet's schedule goes up during the warm-up."""
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    schedule = scheduler_classes[scheduler](optimiser, **conf)
    first = optimiser.param_groups[0]["lr"]
    for _ in range(conf["warmup_steps"]):
        optimiser.step()
        schedule.step()
    return optimiser.param_groups[0]["lr"] > first


@pytest.mark.parametrize(
    "limits", [{"max_lr": 5e-4}, {"max_lr": 1e-4, "min_lr": 2e-4}, {"min_lr": 0.5}]
)
def test_a_minimum_above_the_maximum_is_refused(limits):
    conf = {"first_cycle_steps": 100, "warmup_steps": 20, **limits}
    assert not rises(COSINE, conf)
    with pytest.raises(UserError, match="give a min_lr below max_lr") as error:
        checked(COSINE, conf)
    missing = {"max_lr", "min_lr"} - set(limits)
    assert str(error.value).count("(the default)") == len(missing)


@pytest.mark.parametrize("limits", [{}, {"max_lr": 5e-4, "min_lr": 1e-6}])
def test_what_rises_is_accepted(limits):
    conf = {"first_cycle_steps": 100, "warmup_steps": 20, **limits}
    assert rises(COSINE, conf)
    checked(COSINE, conf)


@pytest.mark.parametrize(
    "scheduler, conf, said",
    [
        ("cosineannealinglr", {"T_max": 9, "eta_min": 0.5}, "eta_min 0.5 is above"),
        ("cycliclr", {"base_lr": 0.01, "max_lr": 0.001}, "give a base_lr below max_lr"),
    ],
)
def test_other_schedules_upside_down(scheduler, conf, said):
    with pytest.raises(UserError, match=said):
        checked(scheduler, conf, lr=0.001)


def test_what_does_not_fall_is_named(caplog):
    same = {"max_lr": 0.001, "min_lr": 0.001, "total_steps": 100}
    checked("exponentialdecaywarmup", same)
    assert "of exponentialdecaywarmup does not fall" in caplog.text
    caplog.clear()
    conf = {"first_cycle_steps": 9, "max_lr": 1e-3, "min_lr": 5e-4, "gamma": 0.1}
    checked(COSINE, conf)
    assert "from the second cycle on" in caplog.text
    caplog.clear()
    checked(COSINE, {**conf, "gamma": 0.9})
    assert not caplog.text


@pytest.mark.parametrize(
    "scheduler, conf",
    [
        # YAML reads 1e-6 as text; these fail at a step, not when they are made.
        ("reducelronplateau", {"min_lr": "1e-6"}),
        ("reducelronplateau", {"threshold": "1e-4"}),
        ("warmupreducelronplateau", {"warmup_steps": 2, "min_lr": "1e-6"}),
        ("cosineannealinglr", {"T_max": 10, "eta_min": "1e-6"}),
        ("cosineannealinglr", {"T_max": 0}),
        (COSINE, {"first_cycle_steps": 9, "max_lr": 0.01, "min_lr": "1e-6"}),
        ("exponentiallr", {"gamma": "9e-1"}),
        ("steplr", {"step_size": 0}),
        ("onecyclelr", {"max_lr": float("nan")}),
        ("onecyclelr", {"max_lr": 0.001, "steps_per_epoch": 100}),
    ],
)
def test_what_would_fail_later_is_refused(scheduler, conf):
    with pytest.raises(UserError, match=f"scheduler_conf .* of {scheduler}: "):
        checked(scheduler, conf)


@pytest.mark.parametrize(
    "scheduler, conf",
    [
        ("onecyclelr", {"max_lr": 0.001, "pct_start": 0.01}),
        (
            "onecyclelr",
            {"max_lr": 0.001, "pct_start": 0.01, "epochs": 50, "steps_per_epoch": 100},
        ),
        ("onecyclelr", {"max_lr": 0.001, "total_steps": 300}),
        ("reducelronplateau", {"patience": 3, "min_lr": 1e-6}),
        ("warmupreducelronplateau", {"warmup_steps": 2}),
        ("cosineannealinglr", {"T_max": 10, "eta_min": 1e-6}),
        ("tristagelr", {"max_steps": 100}),
    ],
)
def test_what_works_is_accepted(scheduler, conf):
    checked(scheduler, conf, lr=0.001)


@pytest.mark.parametrize(
    "scheduler, conf",
    [
        (COSINE, {"first_cycle_steps": 100, "max_lr": 5e-4, "min_lr": 1e-6}),
        ("exponentialdecaywarmup", dict(max_lr=5e-4, min_lr=1e-6, total_steps=100)),
    ],
)
def test_a_rate_that_is_not_used_is_named(scheduler, conf, caplog):
    checked(scheduler, conf, lr=1e-5)
    assert "optim_conf lr 1e-05 is not used" in caplog.text
    caplog.clear()
    checked(scheduler, conf, lr=5e-4)
    checked("warmuplr", {"warmup_steps": 10}, lr=1e-5)
    assert "is not used" not in caplog.text
