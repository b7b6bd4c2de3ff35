"""How many epochs are averaged, and that ESPnet then really averages them."""

import logging
from argparse import Namespace

import pytest
import torch
from espnet2.main_funcs.average_nbest_models import average_nbest_models
from espnet2.train.reporter import Reporter

from espnet_plugin.tasks.averaging import limit_averaged, num_averaged


@pytest.mark.parametrize(
    "wanted, epochs, expected",
    [(5, 4, 2), (5, 7, 4), (5, 9, 5), (5, 100, 5), (10, 9, 5), (5, 1, 1), (1, 9, 1)],
)
def test_at_most_half_of_the_epochs(wanted, epochs, expected):
    assert num_averaged(wanted, epochs) == expected


@pytest.mark.parametrize(
    "given, expected", [(5, 2), ([5], 2), ([1, 5], [1, 2]), (2, 2), (1, 1)]
)
def test_espnets_option_is_limited_and_said(given, expected, caplog):
    args = Namespace(keep_nbest_models=given, max_epoch=4)
    with caplog.at_level(logging.INFO):
        limit_averaged(args)
    assert args.keep_nbest_models == expected
    assert ("2 of 4 epochs" in caplog.text) == (given != expected)
    # Trainings with our own configurations are limited: no reason to warn.
    assert all(one.levelno == logging.INFO for one in caplog.records)


@pytest.mark.parametrize("limited", [False, True])
def test_a_short_training_leaves_a_mean(tmp_path, limited):
    """Without the limit ESPnet links the best single epoch as the average."""
    args = Namespace(keep_nbest_models=5, max_epoch=4)
    if limited:
        limit_averaged(args)
    reporter = Reporter()
    for epoch, error in enumerate((0.9, 0.4, 0.1, 0.2), start=1):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as observed:
            observed.register({"cer_ctc": error}, weight=1)
            observed.next()
        torch.save({"w": torch.tensor([float(epoch)])}, tmp_path / f"{epoch}epoch.pth")
    average_nbest_models(
        tmp_path, reporter, [("valid", "cer_ctc", "min")], args.keep_nbest_models
    )
    state = torch.load(tmp_path / "valid.cer_ctc.ave.pth", weights_only=True)
    assert state["w"].item() == pytest.approx(3.5 if limited else 3.0)
