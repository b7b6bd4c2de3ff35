"""ESPnet's curves, where the packages that draw them are not installed."""

import pytest
from espnet2.tasks.asr import ASRTask

from espnet_plugin.tasks import curves, trainer


@pytest.mark.parametrize(
    "missing", [(), ("tensorboard",), ("tensorboard", "matplotlib")]
)
def test_only_what_can_be_drawn_is_asked_for(missing, monkeypatch, caplog):
    args = ASRTask.get_parser().parse_args([])
    found = {name: name not in missing for name in ("tensorboard", "matplotlib")}
    monkeypatch.setattr(curves, "find_spec", lambda name: found[name] or None)
    options = trainer.CostTrainer.build_options(args)
    for name, there in found.items():
        assert getattr(options, f"use_{name}") is there
        assert (f"pip install {name}" in caplog.text) is not there
