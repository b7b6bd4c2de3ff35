"""The dry run's arithmetic against sums done by hand, and how it is printed."""

from dataclasses import replace

import pytest
import torch

from espnet_plugin.distill.store_writer import StoreWriter
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.arithmetic import cache_bytes, estimate
from espnet_plugin.estimate.plan import (
    FLAC_BYTES,
    Corpus,
    Hardware,
    ModelFlops,
    Plan,
    StageCost,
)
from espnet_plugin.estimate.sets import find_size
from espnet_plugin.estimate.text import estimate_lines

# An hour of audio: 36 and 12 teraflops for the large one, 18 and 6 for the small.
LARGE = ModelFlops(36e12, 12e12, 30_000_000)
SMALL = ModelFlops(18e12, 6e12, 10_000_000)
PLAN = Plan(
    reference=LARGE,
    student=SMALL,
    finetuned=[(SMALL, 2), (SMALL, 2)],
    models={"a": SMALL, "b": SMALL},
    vocabulary=500,
    frames_per_second=25.0,
    width=256,
    reference_epochs=10,
    encrl_epochs=4,
    baseline_epochs=6,
    num_baselines=1,
    nbest=3,
)
CORPUS = Corpus(100.0, (0.5, 1.0), 10.0, eval_hours=5.0)
# 36e12 operations an hour: an hour of audio in an hour.
SLOW = Hardware(1e10, processes=4, read_rate=100.0, write_rate=50.0, load_rate=1e6)


def by_stage(*args, **options):
    return {cost.stage: cost for cost in estimate(*args, **options)}


def test_hours():
    costs = by_stage(CORPUS, SLOW, PLAN)
    # 100 h as they are and 200 h at half the speed.
    assert costs[2].hours == pytest.approx((100 / 100 + 200 / 50) / 4)
    assert costs[4].hours == pytest.approx(10 * 300)
    assert costs[5].hours == pytest.approx(4 * 300 * (18 + 12) / 36)
    assert costs[6].hours == pytest.approx(2 * 300 * 2 * 18 / 36)
    assert costs[7].hours == pytest.approx(5 * (12 + 2 * 6) / 36)
    assert costs[8].hours == pytest.approx(6 * 300 * 2 * 18 / 36)
    assert {cost.limit for cost in costs.values()} == {"compute", "cores"}


def test_fine_tuning_in_one_training_and_alone():
    plan = replace(PLAN, finetuned=[(LARGE, 4), (SMALL, 1)])
    cost = by_stage(CORPUS, SLOW, plan)[6]
    assert cost.hours == pytest.approx(300 * (4 * 36 + 18) / 36)
    # Of each three best, their average, and two checkpoints to resume from.
    assert cost.num_bytes == (30_000_000 + 10_000_000) * (4 * 4 + 2 * 12)
    assert cost.read_bytes == pytest.approx(5 * 300 * FLAC_BYTES)


def test_more_devices():
    one, four = (by_stage(CORPUS, replace(SLOW, devices=n), PLAN) for n in (1, 4))
    assert four[5].hours == pytest.approx(one[5].hours / 4)
    assert one[5].sent_bytes == 0
    # Of every gradient, ring all-reduce sends 2 (n - 1) / n.
    updates = 4 * 300 * PLAN.updates_per_hour
    assert four[5].sent_bytes == pytest.approx(updates * 1.5 * 4 * SMALL.params)


def test_loading_sets_the_pace_of_fast_devices():
    fast = replace(SLOW, flops_per_second=1e20, load_rate=100.0, loaders=3)
    costs = by_stage(CORPUS, fast, PLAN)
    assert costs[5].limit == "loading"
    assert costs[5].hours == pytest.approx(4 * 300 / 300)


def test_disk():
    costs = by_stage(CORPUS, SLOW, PLAN)
    assert costs[2].num_bytes == pytest.approx(200 * FLAC_BYTES)
    cut = by_stage(replace(CORPUS, segmented=True), SLOW, PLAN)
    assert cut[2].num_bytes == pytest.approx(300 * FLAC_BYTES)
    # Three best and their average; two checkpoints to resume from.
    assert costs[5].num_bytes == 10_000_000 * (4 * 4 + 2 * 12)


@pytest.mark.parametrize("top", [0, 7])
def test_cache_is_as_large_as_one_that_is_written(tmp_path, top):
    utterances, frames = 40, 250
    writer = StoreWriter(tmp_path, {"reference": "x"}, 500, 256, top)
    for number in range(utterances):
        posteriors = torch.zeros(frames, 500).log_softmax(-1)
        writer.add(f"1234-567890-{number:04d}", posteriors, torch.zeros(256))
    writer.finish()
    names = ("posteriors.bin", "tokens.bin", "pooled.bin", "index.tsv")
    size = sum((tmp_path / n).stat().st_size for n in names if (tmp_path / n).exists())
    told = cache_bytes(replace(PLAN, cache_top=top), utterances * 10 / 3600, 10.0)
    assert told == pytest.approx(size, rel=0.02)


def test_cache_takes_the_teacher_out_of_the_epochs():
    live, cached = (by_stage(CORPUS, SLOW, replace(PLAN, cache=c)) for c in (0, 1))
    assert cached[5].hours == pytest.approx(300 * 12 / 36 + 4 * 300 * 18 / 36)
    stored = cache_bytes(PLAN, 300, 10.0)
    assert cached[5].num_bytes - live[5].num_bytes == pytest.approx(stored)
    assert cached[5].read_bytes - live[5].read_bytes == pytest.approx(4 * stored)


def test_models_trained_by_themselves_are_added_to_stage_5():
    small = ModelFlops(train=6e12, forward=2e12, params=10)
    usual, more = (
        by_stage(CORPUS, SLOW, replace(PLAN, cache=True, alone=alone))
        for alone in ((), [(small, 3)])
    )
    assert more[5].hours - usual[5].hours == pytest.approx(3 * 300 * 6 / 36)
    stored = cache_bytes(PLAN, 300, 10.0)
    # The audio and what is stored of the reference, in each of the three epochs.
    assert more[5].read_bytes - usual[5].read_bytes == pytest.approx(
        3 * (stored + 300 * FLAC_BYTES)
    )
    assert more[6] == usual[6]


def test_trials_are_a_line_of_their_own():
    trials = [(PLAN.student, 2.0), (PLAN.student, 1.0)]
    plan = replace(PLAN, trials=trials)
    tried, trained = estimate(CORPUS, SLOW, plan, range(5, 6))
    assert tried.stage == trained.stage == 5 and tried.name == "2 trials of shapes"
    assert trained == by_stage(CORPUS, SLOW, PLAN)[5]
    # As long as so many epochs of the same model.
    assert tried.hours * PLAN.encrl_epochs == pytest.approx(3 * trained.hours)
    assert tried.num_bytes == 2 * trained.num_bytes


def test_an_imported_reference_is_not_trained():
    costs = by_stage(CORPUS, SLOW, replace(PLAN, reference_epochs=0))
    assert costs[3].hours == costs[4].hours == 0
    assert [c.stage for c in estimate(CORPUS, SLOW, PLAN, range(5, 8))] == [5, 6, 7]


@pytest.mark.parametrize("change", [{"flops_per_second": 0.0}, {"read_rate": -1.0}])
def test_impossible_rates_are_refused(change):
    with pytest.raises(UserError, match=next(iter(change))):
        estimate(CORPUS, replace(SLOW, **change), PLAN)


@pytest.mark.parametrize(
    "hours, text",
    [(0, "0"), (1e-5, "0.036 s"), (0.001, "3.6 s"), (0.05, "3 min"), (1.234, "1.23 h")],
)
def test_a_small_time_is_not_rounded_to_zero(hours, text):
    cost = StageCost(7, "decoding", hours, 1.0)
    (row,) = [
        line
        for line in estimate_lines([cost], PLAN, CORPUS, [])
        if line.startswith(" 7 ")
    ]
    assert row.split("decoding")[1].strip().startswith(f"{text} ")


def test_a_tiny_model_is_not_rounded_to_zero():
    tiny = replace(PLAN, models={"2 layers": ModelFlops(3.6e9, 36e8, 12_000)})
    text = "\n".join(estimate_lines([], tiny, CORPUS, []))
    assert "0.012 M weights, 0.001 GFLOP" in text and " 0.0 " not in text


def test_a_damaged_table_counts_as_missing(tmp_path):
    (tmp_path / "utt2dur").write_text("a x\n")
    assert find_size(tmp_path / "no", tmp_path, 16000) is None
    (tmp_path / "utt2dur").write_text("a 36\nb 36\n")
    found = find_size(tmp_path / "no", tmp_path, 16000)
    assert (found.hours, found.utterances) == (pytest.approx(0.02), 2)
