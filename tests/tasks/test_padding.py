"""The share of padding in the batches, as ``cost.json`` and the log say it."""

import logging
from argparse import Namespace

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from one_epoch import Mean, train_epoch

from espnet_plugin.files import read_json


def train(folder, *lengths):
    args = Namespace(**vars(ASRTask.get_parser().parse_args([])))
    args.output_dir = folder
    batches = [
        (
            [f"u{i}" for i in range(len(each))],
            {
                "speech": torch.ones(len(each), max(each)),
                "speech_lengths": torch.tensor(each),
            },
        )
        for each in lengths
    ]
    train_epoch(Mean(), batches, args)
    return read_json(folder / "cost.json")


def test_padding_is_counted(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        cost = train(tmp_path, [16000, 8000], [32000, 32000, 24000])
    # Half a second in the first batch, as much in the second, of eight in all.
    assert cost["padding_seconds"] == pytest.approx(1.0)
    assert cost["audio_seconds"] == pytest.approx(7.0)
    assert "epoch 1: 12.5 %" in caplog.text


def test_batches_of_one_have_none(tmp_path):
    assert train(tmp_path, [16000], [8000])["padding_seconds"] == 0
