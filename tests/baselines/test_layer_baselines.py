"""Baselines made of layers: from scratch, copied, cut out, with early exits."""

import pytest
import torch
import yaml
from small_baseline import do

from espnet_plugin.baselines.run import run_baseline
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import ModelFiles
from espnet_plugin.files import read_json
from espnet_plugin.shape import Shape


def test_scratch_has_the_references_architecture(
    tiny_hybrid_model, tmp_path, trainer, write
):
    config = yaml.safe_load(tiny_hybrid_model.config.read_text())
    config["encoder_conf"]["interctc_layer_idx"] = [2]
    config["model_conf"]["interctc_weight"] = 0.3
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    recipe = write(method="scratch", epochs={1: 9})
    output = str(tmp_path / "exp/asr_scratch_s3")
    made = run_baseline(recipe, ModelFiles(path), [2, 1], ["--ngpu", "0"], output, 3)
    for size, epochs in ((2, 7), (1, 9)):
        asked = trainer.asked[f"asr_scratch_s3_{size}l"]
        model, meta = asked.config, read_json(asked.folder / "meta.json")
        assert model["encoder_conf"]["num_blocks"] == size
        assert model["encoder_conf"]["output_size"] == 16
        assert "interctc_layer_idx" not in model["encoder_conf"]
        assert "interctc_weight" not in model["model_conf"]
        assert model["model_conf"]["ctc_weight"] == 1.0
        assert model["decoder"] is None and model["max_epoch"] == epochs
        assert asked.options == ["--ngpu", "0", "--seed", "3"]
        assert asked.init is None and asked.task.endswith(":CountedASRTask")
        assert meta["method"] == "scratch" and meta["seed"] == 3
    assert [str(folder) for folder in made] == [f"{output}_2l", f"{output}_1l"]


def test_scratch_makes_any_width(tiny_asr_model, tmp_path, trainer, write):
    sizes = [Shape(2), Shape(1, 8), Shape(3, 16)]  # the last has the reference's
    made = do(write(method="scratch"), tiny_asr_model, tmp_path, sizes)
    assert [one.name for one in made] == [
        "asr_some_s3_2l",
        "asr_some_s3_3l",
        "asr_some_s3_1x8l",
    ]
    conf = trainer.asked["asr_some_s3_1x8l"].config["encoder_conf"]
    # Half as wide, so half as many feed-forward units as the reference's 32.
    assert (conf["num_blocks"], conf["output_size"], conf["linear_units"]) == (1, 8, 16)
    meta = read_json(made[2] / "meta.json")
    assert (meta["layers"], meta["size_width"], meta["width"]) == (1, 8, 8)
    assert "size_width" not in read_json(made[1] / "meta.json")


def test_other_baselines_leave_widths_out(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    recipe = write(method="layer_copy", options={"layers": "first"})
    made = do(recipe, tiny_asr_model, tmp_path, [Shape(2), Shape(1, 8)])
    assert [one.name for one in made] == ["asr_some_s3_2l"]
    assert "sizes 1x8 are skipped, because layer_copy" in caplog.text
    assert do(recipe, tiny_asr_model, tmp_path, [Shape(1, 8)]) == []
    with pytest.raises(UserError, match="1x7: width 7 must be even"):
        do(recipe, tiny_asr_model, tmp_path, [Shape(1, 7)])


def test_copied_layers_are_the_references(tiny_hybrid_model, tmp_path, trainer, write):
    recipe = write(method="layer_copy", options={"layers": "first"})
    do(recipe, tiny_hybrid_model, tmp_path)
    asked = trainer.asked["asr_some_s3_2l"]
    config, init = asked.config, asked.init
    meta = read_json(asked.folder / "meta.json")
    model, _ = load_asr_model(init.with_name("config.yaml"), init)
    source = torch.load(tiny_hybrid_model.checkpoint, weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, source[name]), name  # numbers as they were: the first
    assert meta["kept_layers"] == [0, 1] and meta["size"] == 2
    assert config["max_epoch"] == 7 and config["init"] is None


def test_layers_may_be_cut_out_as_they_are(
    tiny_hybrid_model, tiny_asr_model, tmp_path, trainer, write
):
    options = {"layers": "first", "trained": False}
    recipe = write(method="layer_copy", variant="cut", options=options)
    for _ in range(2):  # what is there already stays
        folders = do(recipe, tiny_hybrid_model, tmp_path)
    assert not trainer.asked
    source = torch.load(tiny_hybrid_model.checkpoint, weights_only=True)
    for folder, size in zip(folders, (2, 1)):
        meta = read_json(folder / "meta.json")
        model, args = load_asr_model(folder / "config.yaml", folder / "model.pth")
        for name, value in model.state_dict().items():
            assert torch.equal(value, source[name]), name
        assert len(model.encoder.encoders) == size and args.model == "espnet"
        assert meta["kept_layers"] == list(range(size)) and meta["variant"] == "cut"
        cost = read_json(folder / "cost.json")
        assert cost["flops"] == cost["train_seconds"] == cost["epochs"] == 0
    # Another reference: they cost nothing, and are made again.
    for folder in do(recipe, tiny_asr_model, tmp_path):
        model, _ = load_asr_model(folder / "config.yaml", folder / "model.pth")
        other = torch.load(tiny_asr_model.checkpoint, weights_only=True)
        assert torch.equal(model.ctc.ctc_lo.weight, other["ctc.ctc_lo.weight"])


def test_a_model_of_another_reference_is_noticed(
    tiny_asr_model, tiny_hybrid_model, tmp_path, trainer, write
):
    recipe = write(method="layer_copy")
    do(recipe, tiny_asr_model, tmp_path, sizes=[1])
    trainer.asked.clear()
    do(recipe, tiny_asr_model, tmp_path, sizes=[1])
    assert not trainer.asked
    with pytest.raises(UserError, match="a different reference"):
        do(recipe, tiny_hybrid_model, tmp_path, sizes=[1])


def test_early_exit_trains_once_with_all_exits(
    tiny_asr_model, tmp_path, trainer, write
):
    recipe = write(method="early_exit", options={"layers": "last"})
    made = do(recipe, tiny_asr_model, tmp_path, sizes=[1, 3, 2])
    (asked,) = trainer.asked.values()
    assert asked.folder == tmp_path / "exp/asr_some_s3_exits"
    config = asked.config
    assert config["encoder_conf"]["interctc_layer_idx"] == [1, 2]
    assert config["encoder_conf"]["num_blocks"] == 3
    assert config["model_conf"]["interctc_weight"] == pytest.approx(2 / 3)
    assert read_json(asked.folder / "meta.json")["serves"] == [3, 2, 1]
    trained = torch.load(asked.folder / "valid.cer_ctc.ave.pth", weights_only=True)
    for folder, size in zip(made, (1, 3, 2)):
        model, args = load_asr_model(folder / "config.yaml", folder / "model.pth")
        assert len(model.encoder.encoders) == size
        assert "interctc_layer_idx" not in args.encoder_conf
        for name, value in model.state_dict().items():
            assert torch.equal(value, trained[name]), name
        meta = read_json(folder / "meta.json")
        assert (meta["shared"], meta["size"]) == (asked.folder.name, size)
        assert read_json(folder / "cost.json")["flops"] == 0
    with pytest.raises(UserError, match="at least two sizes"):
        do(recipe, tiny_asr_model, tmp_path, sizes=[2])


def test_too_many_layers_and_no_reference(tiny_asr_model, tmp_path, trainer, write):
    recipe = write(method="layer_copy")
    with pytest.raises(UserError, match="4 layers cannot be made from 3"):
        do(recipe, tiny_asr_model, tmp_path, sizes=[2, 4])
    with pytest.raises(UserError, match="run stage 4 first"):
        run_baseline(recipe, ModelFiles(tiny_asr_model.config), [1], [], "exp/x", 1)
    assert not trainer.asked
