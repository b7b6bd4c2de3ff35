"""The table of two modes from hand-made rows; the speed of one chunk."""

import time

import numpy as np
import pytest
import torch
import yaml
from result_folders import make_results
from tiny_asr import build_tiny_asr

from espnet_plugin import host
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.measure import speed
from espnet_plugin.measure.chunk_speed import chunk_rtf, frames_ms
from espnet_plugin.names import DUAL_MODE
from espnet_plugin.report.dual_table import dual_mode_table


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
    table = dual_mode_table(make_results(rows, shared))
    assert len(table.lines) == 1
    line = dict(zip(table.header, table.lines[0]))
    assert line["training"] == "dual_mode half" and line["seeds"] == "1 2"
    assert line["full-context WER % [95 %]"] == "11.0"
    assert line["streaming WER % [95 %]"] == "21.5"
    assert line["streaming params, non-zero (M)"] == "1.00"
    assert line["masked"] == "50 %" and "file without masked blocks MB" not in line
    assert line["RTF of one chunk"] == "0.0300" and line["latency ms"] == "436"
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
    table = dual_mode_table(make_results(rows))
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


def test_a_file_without_masked_blocks_has_its_column():
    rows = [
        row("blocks", "streaming", 1, 20.0, blocks_file_bytes=1.5e6),
        row("half", "streaming", 1, 20.0),
    ]
    table = dual_mode_table(make_results(rows))
    cells = [
        line[table.header.index("file without masked blocks MB")]
        for line in table.lines
    ]
    assert cells == ["1.50", "-"] and "model.blocks.pth" in table.notes


def test_what_a_training_started_from_is_in_its_cost():
    rows = [row("half", "streaming", 1, 10.0, shared="dual_after_s1")]
    shared = [
        {"name": "dual_after_s1", "train_seconds": 60.0, "after": "dual_alone_s1"},
        {"name": "dual_alone_s1", "train_seconds": 120.0, "after": "dual_pretrain"},
        {"name": "dual_pretrain", "train_seconds": 240.0},
    ]
    shared = [{**entry, "train_flops": 1e15} for entry in shared]
    table = dual_mode_table(make_results(rows, shared))
    line = dict(zip(table.header, table.lines[0]))
    assert line["training min"] == "7.00" and line["PFLOP"] == "3.00"
    table = dual_mode_table(make_results(rows, shared[:2]))
    assert dict(zip(table.header, table.lines[0]))["training min"] == "?"


def test_one_mode_alone_and_none():
    only = row("", "full", 1, None)
    only["variant"] = "full"
    table = dual_mode_table(make_results([only]))
    line = dict(zip(table.header, table.lines[0]))
    assert line["training"] == "dual_mode"
    assert line["full-context WER % [95 %]"] == "?"
    assert line["streaming WER % [95 %]"] == "-" and line["PFLOP"] == "?"
    scratch = {"method": "scratch", "layers": 6, "seed": 1}
    assert dual_mode_table(make_results([scratch])) is None


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
    assert encoder.training
    with pytest.raises(UserError, match="at least 1"):
        chunk_rtf(encoder, chunks=0)


def test_the_threads_are_those_asked_for_and_then_restored(monkeypatch):
    encoder = DualModeConformerEncoder(
        8, output_size=8, attention_heads=2, linear_units=8, num_blocks=1,
        chunk_frames=4, left_context_frames=8, cnn_module_kernel=3,
    )  # fmt: skip
    stream, seen, before = encoder.stream, set(), torch.get_num_threads()

    def watched(features, state):
        seen.add(torch.get_num_threads())
        return stream(features, state)

    monkeypatch.setattr(encoder, "stream", watched)
    chunk_rtf(encoder, chunks=1, threads=before + 1)
    assert seen == {before + 1} and torch.get_num_threads() == before


def test_the_audio_in_a_chunk_hangs_on_the_hop(tmp_path, monkeypatch):
    # It is measured in a process of its own, which takes long to start.
    monkeypatch.setattr(speed, "peak_memory_mb", lambda *_: None)
    host.register()
    conf = dict(cnn_module_kernel=7, mode="streaming", left_context_frames=4)
    conf.update(chunk_frames=4)
    tiny = build_tiny_asr(tmp_path, encoder=DUAL_MODE, encoder_conf=conf)
    config = yaml.safe_load(tiny.config.read_text())
    # ESPnet's default: 8 ms, at 16 kHz.
    del config["frontend_conf"]["hop_length"]
    tiny.config.write_text(yaml.safe_dump(config))
    figures = read_json(speed.write_rtf(tiny.dir, audio_seconds=0.5, runs=1))
    # Four encoder frames of four feature frames.
    assert figures["chunk_audio_ms"] == pytest.approx(4 * 4 * 8.0)
    assert figures["chunk_rtf"] == pytest.approx(figures["chunk_ms"] / 128)


def test_frames_in_milliseconds():
    front = dict(fs="8k", hop_length=80, n_fft=256)
    config = dict(frontend="default", frontend_conf=front)
    assert frames_ms(config) == {"hop_ms": 10.0, "window_ms": 32.0}
    default = dict(frontend="default", frontend_conf=None)
    assert frames_ms(default) == {"hop_ms": 8.0, "window_ms": 32.0}
    assert frames_ms(dict(frontend=None)) == {"hop_ms": 10.0}
