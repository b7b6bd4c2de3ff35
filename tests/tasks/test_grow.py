"""A deep reference that starts from a shallower one."""

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.export.load import build_asr_model, load_state, read_config
from espnet_plugin.files import write_json, write_text
from espnet_plugin.tasks.grow import check_growth, grown_start


@pytest.fixture
def start(tiny_asr_model, tmp_path):
    """A finished model of three layers."""
    folder = tmp_path / "start"
    folder.mkdir()
    (folder / "model.pth").write_bytes(tiny_asr_model.checkpoint.read_bytes())
    write_text(folder / "train_config.yaml", tiny_asr_model.config.read_text())
    write_json(folder / "meta.json", {"checkpoint": "model.pth"})
    return folder


def deeper(tiny, layers, **conf):
    config = read_config(tiny.config)
    config["encoder_conf"] = {**config["encoder_conf"], "num_blocks": layers, **conf}
    return config


@pytest.mark.parametrize(
    "many, origins",
    [(3, [0, 1, 2]), (6, [0, 0, 1, 1, 2, 2]), (7, [0, 0, 0, 1, 1, 2, 2])],
)
def test_layers_are_put_behind_those_there_are(
    tiny_asr_model, start, tmp_path, many, origins
):
    # More dropout and losses after other layers do not stand in the way.
    config = deeper(
        tiny_asr_model, many, dropout_rate=0.3, interctc_layer_idx=[many - 1]
    )
    grown_start(start, config, tmp_path / "init/model.pth")
    ours = torch.load(tmp_path / "init/model.pth", weights_only=True)
    theirs = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    name = "encoder.encoders.{}.feed_forward.{}.weight"
    for new, old in enumerate(origins):
        assert torch.equal(
            ours[name.format(new, "w_1")], theirs[name.format(old, "w_1")]
        )
        added = new > 0 and origins[new - 1] == old
        assert bool(ours[name.format(new, "w_2")].any()) is not added
    model, _ = build_asr_model(config, tiny_asr_model.config)
    load_state(model, ours, tmp_path / "init/model.pth")  # every tensor has its place


@pytest.mark.parametrize(
    "conf, named",
    [
        ({"num_blocks": 2}, "num_blocks 3 and 2"),
        ({"num_blocks": None}, "num_blocks"),
        ({"linear_units": 999}, "linear_units"),
        ({"attention_heads": 1}, "attention_heads"),
        ({"normalize_before": False}, "normalize_before"),
    ],
)
def test_other_architectures_are_refused(tiny_asr_model, conf, named):
    small = read_config(tiny_asr_model.config)
    with pytest.raises(UserError, match=named):
        check_growth(small, deeper(tiny_asr_model, 6, **conf), "--start")
    with pytest.raises(UserError, match="frontend_conf"):
        other = {**deeper(tiny_asr_model, 6), "frontend_conf": {"n_mels": 7}}
        check_growth(small, other, "--start")


def test_encoders_that_cannot_grow_are_named(tiny_asr_model):
    small, large = read_config(tiny_asr_model.config), deeper(tiny_asr_model, 6)
    small["encoder"] = large["encoder"] = "branchformer"
    with pytest.raises(UserError, match="'branchformer' cannot grow.*conformer"):
        check_growth(small, large, "--start")


def test_an_unfinished_start_is_named(tiny_asr_model, tmp_path):
    with pytest.raises(UserError, match="start is not finished.*stage 4"):
        grown_start(tmp_path / "start", deeper(tiny_asr_model, 6), tmp_path / "x.pth")
