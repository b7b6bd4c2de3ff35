"""Epochs from lines as ESPnet's trainer writes them."""

import pytest

from espnet_plugin.results.espnet_folder import read_times
from espnet_plugin.results.train_log import read_train_log

FIRST = (
    "2026-11-21 10:44:56,749 INFO 1epoch results: [train] iter_time=0.015, "
    "loss_ctc=54.127, loss=54.127, train_time=0.672, time=4 minutes and 49.73 seconds, "
    "total_count=431, [valid] loss_ctc=46.631, cer_ctc=0.993, loss_att=nan, acc=nan, "
    "cer=nan, wer=nan, loss=46.631, time=2.78 seconds, total_count=12\n"
)
# With a host's name and the code's line, as asr.sh has it; attention alone.
SECOND = (
    "[gpu7] 2024-01-02 03:04:05,678 (trainer:354) INFO: 2epoch results: [train] "
    "loss=2.5, time=1 hour, 2 minutes and 3 seconds, total_count=9, [valid] "
    "loss_ctc=nan, cer_ctc=nan, cer=0.25, loss=1.5, time=1 minute and 2 seconds, "
    "total_count=9, gpu_max_cached_mem_GB=3.1, [att_plot] time=9 seconds, "
    "total_count=0\n"
)


def test_epochs(tmp_path):
    noise = "10:00:00 INFO 1epoch:train:1-10batch: loss=60\nresults: nothing\n"
    (tmp_path / "train.log").write_text(noise + FIRST + SECOND)
    first, second = read_train_log(tmp_path)
    assert (first.number, first.dev_loss) == (1, 46.631)
    assert first.dev_cer == pytest.approx(99.3)
    assert first.train_seconds == pytest.approx(4 * 60 + 49.73)
    assert (second.number, second.dev_loss, second.dev_cer) == (2, 1.5, 25.0)
    assert second.train_seconds == 3723
    times = read_times(tmp_path)
    assert times["epochs"] == 2
    assert times["train_seconds"] == pytest.approx(4 * 60 + 49.73 + 3723)


def test_earlier_logs_come_first_and_a_later_epoch_wins(tmp_path):
    (tmp_path / "train.log").write_text(SECOND)
    (tmp_path / "train.1.log").write_text(FIRST.replace("46.631", "40.0"))
    (tmp_path / "train.2.log").write_text(FIRST)
    (tmp_path / "train.old.log").write_text(FIRST.replace("46.631", "1.0"))
    assert [epoch.dev_loss for epoch in read_train_log(tmp_path)] == [40.0, 1.5]


def test_no_log_and_no_epoch(tmp_path):
    assert read_train_log(tmp_path) == []
    assert read_times(tmp_path) == {}
    (tmp_path / "train.log").write_text("just begun\n")
    assert read_train_log(tmp_path) == []
    # The first epoch's time is lost, so the sum is not known.
    (tmp_path / "train.log").write_text(SECOND)
    assert read_times(tmp_path) == {}
