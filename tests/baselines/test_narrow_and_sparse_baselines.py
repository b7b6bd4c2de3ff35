"""Baselines with all layers: narrower ones, and ones with zeros."""

import pytest
import torch
from small_baseline import do

from espnet_plugin.baselines.reference import Reference
from espnet_plugin.baselines.width import choose_width
from espnet_plugin.checkpoints.load import build_asr_model, load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json


def test_width_is_the_largest_that_fits(tiny_asr_model):
    reference = Reference(tiny_asr_model.config, tiny_asr_model.checkpoint)

    def params(width):
        conf = reference.config()
        conf["encoder_conf"] = {
            **conf["encoder_conf"],
            "output_size": width,
            "linear_units": 2 * width,
        }
        model, _ = build_asr_model(conf, tiny_asr_model.config)
        return sum(p.numel() for p in model.parameters())

    sizes = {width: params(width) for width in range(2, 17, 2)}
    for most in (sizes[10], sizes[10] + 1, sizes[12] - 1):
        chosen = choose_width(reference, most)["encoder_conf"]
        assert (chosen["output_size"], chosen["linear_units"]) == (10, 20)
    with pytest.raises(
        UserError, match="only the width cannot reduce .* to 10 parameters"
    ):
        choose_width(reference, 10)
    with pytest.raises(UserError, match="model_width: true}, which reduces it"):
        choose_width(reference, 10, model_width=False)
    # A unit of each of the three layers: 16 weights in, 16 out and a bias.
    most = reference.params(3) - 10 * 3 * 33
    units = choose_width(reference, most, model_width=False)["encoder_conf"]
    assert (units["output_size"], units["linear_units"]) == (16, 22)


def test_width_writes_a_smaller_stock_model(tiny_asr_model, tmp_path, trainer, write):
    do(write(method="width"), tiny_asr_model, tmp_path)
    reference = Reference(tiny_asr_model.config)
    for size in (2, 1):
        asked = trainer.asked[f"asr_some_s3_{size}l"]
        config, init = asked.config, asked.init
        meta = read_json(asked.folder / "meta.json")
        model, _ = load_asr_model(init.with_name("config.yaml"), init)
        count = sum(p.numel() for p in model.parameters())
        assert 0.5 * reference.params(size) < count <= reference.params(size)
        assert config["encoder_conf"]["num_blocks"] == 3
        assert meta["variant"] == {2: "as 2 layers", 1: "as 1 layer"}[size]


def test_feed_forward_units_alone_reach_some_sizes(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    recipe = write(method="width", options={"model_width": False})
    made = do(recipe, tiny_asr_model, tmp_path, sizes=[1, 3])
    assert list(trainer.asked) == [folder.name for folder in made] == ["asr_some_s3_3l"]
    assert "size 1 is skipped" in caplog.text


def test_once_pruned_models_have_the_wanted_zeros(tiny_asr_model, tmp_path, write):
    options = {"amounts": [0.1, 0.25], "without": ["conv_module"]}
    recipe = write(method="magnitude", variant="one-shot", options=options)
    folders = do(recipe, tiny_asr_model, tmp_path)
    dense, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    total = sum(p.numel() for p in dense.parameters())
    before = sum(int(p.count_nonzero()) for p in dense.parameters())
    for folder, amount in zip(folders, (0.1, 0.25)):
        model, _ = load_asr_model(folder / "config.yaml", folder / "model.pth")
        left = sum(int(p.count_nonzero()) for p in model.parameters())
        assert before - left == pytest.approx(amount * total, rel=0.02)
        for name, value in model.state_dict().items():
            if "conv_module" in name or "norm" in name or "embed" in name:
                assert torch.equal(value, dense.state_dict()[name]), name
    assert [f.name for f in folders] == ["asr_some_s3_10pc", "asr_some_s3_25pc"]
    with pytest.raises(UserError, match="options.amounts 0.9: "):
        do(
            write("b", method="magnitude", options={**options, "amounts": [0.9]}),
            tiny_asr_model,
            tmp_path,
        )
