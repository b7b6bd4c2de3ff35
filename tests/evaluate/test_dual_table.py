"""The table of two modes from hand-made rows; the speed of one chunk."""

import time

import numpy as np
import pytest
import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.evaluate.chunk_speed import chunk_rtf
from espnet_plugin.evaluate.dual_table import dual_mode_table


def row(variant, mode, seed, wer, **others):
    return {
        **{"method": "dual_mode", "variant": f"{variant} {mode}", "layers": 6},
        **{"seed": seed, "mode": mode, "test_wer": wer, "test_words": 100},
        **{"shared": f"dual_{seed}", "dir": f"asr_{seed}_{mode}", "params": 2e6},
        **{"params_nonzero": 1e6, "sparsity": 0.0, "latency_ms": None},
        **others,
    }


def test_both_modes_of_a_training_share_a_line():
    streaming = {"sparsity": 0.5, "latency_ms": 436.0}
    rows = [
        row("half", "full", 1, 10.0),
        row("half", "streaming", 1, 20.0, chunk_rtf=0.02, **streaming),
        row("half", "full", 2, 12.0),
        row("half", "streaming", 2, 23.0, chunk_rtf=0.04, **streaming),
    ]
    shared = [
        {"name": f"dual_{seed}", "train_seconds": 60.0 * seed, "train_flops": 2e15}
        for seed in (1, 2)
    ]
    table = dual_mode_table({"rows": rows, "shared": shared})
    assert len(table.lines) == 1
    line = dict(zip(table.header, table.lines[0]))
    assert line["training"] == "dual_mode half" and line["seeds"] == "1 2"
    assert line["full-context WER % [95 %]"] == "11.0"
    assert line["streaming WER % [95 %]"] == "21.5"
    assert line["streaming params (M)"] == "1.00" and line["masked"] == "50 %"
    assert line["RTF of one chunk"] == "0.030" and line["latency ms"] == "436"
    assert line["training min"] == "1.50" and line["PFLOP"] == "2.00"


def test_depths_are_lines_of_their_own_with_the_interval_of_all_seeds():
    def scored(seed, layers, errors):
        return row(
            *("half", "streaming", seed, 10.0 * sum(errors) / len(errors)),
            layers=layers,
            shared=None,
            test_errors_by_unit=" ".join(map(str, errors)),
            test_words_by_unit=" ".join(["10"] * len(errors)),
        )

    errors = {1: [0, 3, 1, 4, 2, 2], 2: [2, 3, 1, 0, 2, 4]}
    rows = [scored(seed, 4, errors[seed]) for seed in (1, 2)]
    rows.append(scored(1, 6, [1] * 6))
    table = dual_mode_table({"rows": rows, "shared": []})
    lines = [dict(zip(table.header, line)) for line in table.lines]
    assert [(line["layers"], line["seeds"]) for line in lines] == [
        *(("4", "1 2"), ("6", "1")),
    ]
    # By drawing utterances, the errors of both seeds pooled.
    pooled = np.mean([errors[1], errors[2]], axis=0)
    rng = np.random.default_rng(0)
    drawn = pooled[rng.integers(6, size=(20000, 6))].mean(1) * 10
    rate, ends = lines[0]["streaming WER % [95 %]"].split(" ", 1)
    assert rate == "20.0"
    low, high = map(float, ends.strip("[]").split(", "))
    assert [low, high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=1.7)


def test_one_mode_alone_and_none():
    only = row("", "full", 1, None)
    only["variant"] = "full"
    table = dual_mode_table({"rows": [only], "shared": []})
    line = dict(zip(table.header, table.lines[0]))
    assert line["training"] == "dual_mode"
    assert line["full-context WER % [95 %]"] == "?"
    assert line["streaming WER % [95 %]"] == "-" and line["PFLOP"] == "?"
    assert dual_mode_table({"rows": [{"method": "scratch"}], "shared": []}) is None


def test_a_chunk_is_timed_against_the_audio_in_it(monkeypatch):
    encoder = DualModeConformerEncoder(
        8, output_size=8, attention_heads=2, linear_units=8, num_blocks=1,
        chunk_frames=4, left_context_frames=8, cnn_module_kernel=3,
    )  # fmt: skip
    stream, sizes = encoder.stream, []

    def slow(features, state):
        sizes.append(features.shape[1])
        time.sleep(0.004)
        return stream(features, state)

    monkeypatch.setattr(encoder, "stream", slow)
    figures = chunk_rtf(encoder, chunks=5)
    # Four frames of 40 ms.
    assert figures["chunk_audio_ms"] == pytest.approx(160) and set(sizes) == {16}
    assert figures["chunk_rtf"] >= 0.004 / 0.160
    assert figures["chunk_rtf"] == pytest.approx(figures["chunk_ms"] / 160)
    assert figures["chunk_ms"] <= figures["chunk_ms_p95"]
    assert encoder.training and torch.get_num_threads() >= 1
    with pytest.raises(UserError, match="at least 1"):
        chunk_rtf(encoder, chunks=0)
