"""--baseline_training replaces a file's own training, and says what is not used."""

import logging

import pytest

from espnet_plugin.baselines.config import read_baseline


@pytest.mark.parametrize(
    "own, epochs",
    [("training_conf: {max_epoch: 2}", "2"), ("epochs: {4: 5, 2: 7}", "5, 7")],
)
def test_its_epochs_are_named_if_they_are_not_used(tmp_path, caplog, own, epochs):
    caplog.set_level(logging.WARNING)
    (tmp_path / "own.yaml").write_text("max_epoch: 30\n")
    (tmp_path / "other.yaml").write_text("max_epoch: 9\n")
    file = tmp_path / "mine.yaml"
    file.write_text(f"method: scratch\ntraining: own.yaml\n{own}\n")
    baseline = read_baseline(file)
    baseline.read_training(None, None)
    assert not caplog.messages
    conf, by_size = baseline.read_training(tmp_path / "other.yaml", None)
    assert conf["max_epoch"] == 9 and not by_size
    (said,) = caplog.messages
    assert f"{file}" in said and f"({epochs})" in said and "other.yaml" in said
    assert "--baseline_training ''" in said
    caplog.clear()
    conf, _ = baseline.read_training(tmp_path / "other.yaml", 3)
    assert conf["max_epoch"] == 3 and not caplog.messages
