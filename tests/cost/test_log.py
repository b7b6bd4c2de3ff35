"""Counted operations and summed costs."""

import time
from functools import partial

import pytest
import torch

from espnet_plugin.checkpoints.load import build_asr_model
from espnet_plugin.cost.counting import count_step
from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.cost.log import CostLog, FlopModel, Stopwatch, total_cost
from espnet_plugin.experiment.config import read_config
from espnet_plugin.files import read_json

RATE = 16000


@pytest.fixture(scope="module")
def model(tiny_asr_model):
    from espnet2.tasks.asr import ASRTask

    model, _ = ASRTask.build_model_from_file(
        tiny_asr_model.config, tiny_asr_model.checkpoint, "cpu"
    )
    model.seconds_per_input = 1 / RATE
    return model


def batch(utterances, seconds, tokens=3):
    length = round(seconds * RATE)
    return {
        "speech": torch.randn(utterances, length),
        "speech_lengths": torch.full((utterances,), length),
        "text": torch.randint(3, 20, (utterances, tokens)),
        "text_lengths": torch.full((utterances,), tokens),
    }


@pytest.fixture(scope="module")
def flops(model):
    return FlopModel(partial(count_step, model, batch(2, 1.0)))


@pytest.mark.parametrize(
    "utterances, seconds", [(1, 0.9), (1, 5.0), (2, 2.2), (5, 2.3), (4, 8.0), (9, 1.5)]
)
def test_equals_a_counted_training_step(model, flops, utterances, seconds):
    model.train()
    with flop_counter() as counter:
        loss, *_ = model(**batch(utterances, seconds))
        loss.sum().backward()
    model.zero_grad()
    counted = counter.get_total_flops()
    assert counted > 1e6
    modelled, teacher = flops(utterances, seconds)
    assert modelled == pytest.approx(counted, rel=0.02)
    assert teacher == 0 and isinstance(modelled, int)


def test_counting_leaves_no_trace(model):
    model.train()
    model.zero_grad()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    real = batch(1, 0.5)
    state = torch.get_rng_state()
    count_step(model, real, 3, 1.2)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_layers_that_rest_in_some_steps_count_less(tiny_asr_model):
    """Against models of fewer layers that never rest."""

    def count(layers, rate=0.0):
        config = read_config(tiny_asr_model.config)
        conf = {**config["encoder_conf"], "num_blocks": layers}
        config["encoder_conf"] = {**conf, "stochastic_depth_rate": rate}
        model, _ = build_asr_model(config, tiny_asr_model.config)
        model.seconds_per_input = 1 / RATE
        return count_step(model, batch(2, 1.0), 3, 1.5)[0]

    one, two = count(1), count(2)
    assert count(2, 0.5) == pytest.approx(one, abs=1)
    assert count(2, [0.0, 0.25]) == pytest.approx(0.25 * one + 0.75 * two, abs=1)


def test_is_exact_for_polynomials():
    def count(utterances, seconds):
        shared = 5 * seconds + 7
        return utterances * (3 * seconds**2 + 2 * seconds + 1) + shared, 0

    model = FlopModel(count)
    assert model(7, 2.0) == (7 * 17 + 17, 0)
    assert model(1, 11.0) == (363 + 22 + 1 + 62, 0)


def test_never_counts_a_batch_of_one():
    """An objective may refuse it."""
    sizes = set()
    FlopModel(lambda utterances, seconds: (sizes.add(utterances), 0)[1:])
    assert min(sizes) == 2


class TestCostLog:
    def test_sums_over_epochs_and_goes_on(self, tmp_path):
        path = tmp_path / "cost.json"
        log = CostLog(path)
        log.add(1, train_seconds=10.0, audio_seconds=100.0, flops=5)
        log.add(1, valid_seconds=2.0)
        CostLog(path).add(2, train_seconds=11.0, audio_seconds=101.0, flops=6)
        CostLog(path).add(2, valid_seconds=3.0)
        cost = read_json(path)
        entries = cost.pop("per_epoch")
        assert cost == {
            "train_seconds": 21.0,
            "valid_seconds": 5.0,
            "audio_seconds": 201.0,
            "flops": 11,
            "epochs": 2,
            "redone_seconds": 0.0,
            "once": {},
        }
        assert [e["epoch"] for e in entries] == [1, 2]
        assert total_cost(entries)["train_seconds"] == 21.0

    def test_what_is_done_once_counts_but_is_no_epoch(self, tmp_path):
        path = tmp_path / "cost.json"
        CostLog(path).add_once("cache", train_seconds=4.0, teacher_flops=9)
        CostLog(path).add(1, train_seconds=10.0, flops=5, teacher_flops=0)
        CostLog(path).add_once("cache", train_seconds=3.0, teacher_flops=9)
        cost = read_json(path)
        assert (cost["train_seconds"], cost["epochs"]) == (13.0, 1)
        assert (cost["flops"], cost["teacher_flops"]) == (5, 9)

    def test_an_epoch_done_again_replaces_its_entry(self, tmp_path):
        path = tmp_path / "cost.json"
        log = CostLog(path)
        log.add(1, train_seconds=10.0, flops=5)
        log.add(1, valid_seconds=2.0)
        log.add(2, train_seconds=8.0, flops=5)  # killed while validating
        log = CostLog(path)
        log.add(2, train_seconds=9.0, flops=5)
        log.add(2, valid_seconds=1.0)
        cost = read_json(path)
        assert cost["train_seconds"] == 19.0 and cost["valid_seconds"] == 3.0
        assert cost["flops"] == 10 and cost["epochs"] == 2
        assert cost["redone_seconds"] == 8.0
        # Killed after validating, before the checkpoint was written.
        log = CostLog(path)
        log.add(2, train_seconds=7.0, flops=5)
        cost = read_json(path)
        assert cost["redone_seconds"] == 18.0
        assert cost["train_seconds"] == 17.0 and cost["valid_seconds"] == 2.0


def test_stopwatch_tells_waiting_from_working():
    watch = Stopwatch()
    time.sleep(0.1)
    wall, cpu = watch.read()
    assert wall >= 0.1 and cpu < 0.09
