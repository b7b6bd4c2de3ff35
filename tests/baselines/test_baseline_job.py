"""What a baseline's configuration may say, and what is made of it."""

from pathlib import Path

import pytest
import torch
import yaml
from noting_trainer import NotingTrainer

from espnet_plugin.baselines.config import baseline_names
from espnet_plugin.baselines.reference import Reference
from espnet_plugin.baselines.run import run_baseline
from espnet_plugin.baselines.width import choose_width
from espnet_plugin.bin import baselines as command
from espnet_plugin.checkpoints.load import build_asr_model, load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import ModelFiles
from espnet_plugin.files import read_json
from espnet_plugin.jobs.trainer import use_trainer
from espnet_plugin.shape import Shape


@pytest.fixture
def trainer():
    """Trainings are noted, and leave the weights they start from."""
    noting = NotingTrainer()
    with use_trainer(noting):
        yield noting


@pytest.fixture
def write(tmp_path):
    """Write a baseline's configuration and a training configuration beside it."""
    (tmp_path / "train.yaml").write_text("{max_epoch: 7, optim: adamw}")

    def write(name="some", **content):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"training": "train.yaml", **content}))
        return path

    return write


def do(recipe, tiny, tmp_path, sizes=(2, 1), **others):
    return run_baseline(
        recipe,
        ModelFiles(tiny.config, tiny.checkpoint),
        sizes,
        ["--ngpu", "0"],
        str(tmp_path / "exp/asr_some_s3"),
        3,
        **others,
    )


def test_every_method_has_a_configuration():
    conf = Path(__file__).parents[2] / "conf/baselines"
    methods = {yaml.safe_load(p.read_text())["method"] for p in conf.glob("*.yaml")}
    assert methods == set(baseline_names())
    for path in conf.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        if "training" in content:
            assert (conf / content["training"]).is_file(), path


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


@pytest.mark.parametrize(
    "content, says",
    [
        ({}, "no method"),
        ({"method": "job"}, "method 'job' is not one of ctc_kd, early_exit"),
        ({"method": "scratch", "epoch": 3}, "epoch: it must have a method and may"),
        ({"method": "scratch", "options": {"layers": 1}}, "it has no options"),
        (
            {"method": "layer_copy", "options": {"how": 1}},
            "choose from layers, trained",
        ),
        ({"method": "layer_copy", "options": {"layers": "best"}}, "layers 'best'"),
        ({"method": "scratch", "training": "gone.yaml"}, "gone.yaml is missing"),
        ({"method": "scratch", "epochs": 3}, "epochs 3: must be a mapping"),
        ({"method": "scratch", "epochs": {2: "x"}}, "some.yaml: epochs: 2: 'x'"),
        ({"method": "gates", "options": {"eta": {2: 1e-5}}}, r"no value for \[1\]"),
        ({"method": "gates", "options": {"eta": {2: "x", 1: 1}}}, "of 2 is 'x'"),
        ({"method": "ctc_kd", "options": {"student_init": "x"}}, "student_init 'x'"),
        ({"method": "scratch", "variant": 5}, "some.yaml: variant 5: must be text"),
        ({"method": "scratch", "training": 5}, "some.yaml: training 5"),
        ({"method": "scratch", "training_conf": 5}, "training_conf 5: must be a map"),
    ],
)
def test_what_is_not_understood(
    tiny_asr_model, tmp_path, write, trainer, content, says
):
    with pytest.raises(UserError, match=says):
        do(write(**content), tiny_asr_model, tmp_path)
    assert not trainer.asked


def test_too_many_layers_and_no_reference(tiny_asr_model, tmp_path, trainer, write):
    recipe = write(method="layer_copy")
    with pytest.raises(UserError, match="4 layers cannot be made from 3"):
        do(recipe, tiny_asr_model, tmp_path, sizes=[2, 4])
    with pytest.raises(UserError, match="run stage 4 first"):
        run_baseline(recipe, ModelFiles(tiny_asr_model.config), [1], [], "exp/x", 1)
    assert not trainer.asked


def test_names_on_the_command_line(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("method: scratch")
    path = str(tmp_path / "a.yaml")
    options = ["--reference_config", "none"]
    assert command.main(["--baselines", path, f"{path}x", *options]) != 0
    assert command.main(["--baselines", path, path, *options]) != 0


def test_single_values_replace_those_of_the_training(
    tiny_asr_model, tmp_path, trainer, write
):
    (tmp_path / "train.yaml").write_text(
        "{max_epoch: 7, optim_conf: {lr: 1.0, betas: [0.9, 0.98]}, optim: adamw}"
    )
    own = {"optim_conf": {"lr": 0.5}, "freeze_param": ["encoder.embed"]}
    do(write(method="scratch", training_conf=own), tiny_asr_model, tmp_path)
    for asked in trainer.asked.values():
        config = asked.config
        assert config["optim_conf"] == {"lr": 0.5, "betas": [0.9, 0.98]}
        assert config["freeze_param"] == ["encoder.embed"]
        assert config["optim"] == "adamw" and config["max_epoch"] == 7


@pytest.mark.parametrize("variant", [None, "spaced"])
@pytest.mark.parametrize("scheduler", [{"max_lr": 1.0, "pct_start": 0.3}, None])
def test_another_learning_rate_is_named(
    tiny_asr_model, tmp_path, trainer, write, variant, scheduler
):
    (tmp_path / "train.yaml").write_text(
        yaml.safe_dump({"optim_conf": {"lr": 1.0}, "scheduler_conf": scheduler})
    )
    own = {} if variant is None else {"variant": variant}
    do(write(method="scratch", **own), tiny_asr_model, tmp_path, max_lr=0.001)
    assert len(trainer.asked) == 2
    for asked in trainer.asked.values():
        config, meta = asked.config, read_json(asked.folder / "meta.json")
        assert config["optim_conf"] == {"lr": 0.001}
        expected = scheduler and {"max_lr": 0.001, "pct_start": 0.3}
        assert config["scheduler_conf"] == expected
        name = "max_lr 0.001" if variant is None else "spaced, max_lr 0.001"
        assert meta["variant"] == name


def test_a_learning_rate_of_nothing_is_refused(tmp_path, capsys):
    options = ["--baselines", "a.yaml", "--reference_config", "none"]
    for rate in ("0", "-1", "nan", "inf"):
        with pytest.raises(SystemExit):
            command.main([*options, "--max_lr", rate])
        assert f"'{rate}': must be a number above 0" in capsys.readouterr().err


def test_the_list_has_the_models_of_this_call_alone(
    tiny_asr_model, tmp_path, trainer, write
):
    one = write("one", method="scratch")
    two = one, write("two", method="scratch", variant="other")
    config, exp = tiny_asr_model.config, tmp_path / "exp"
    options = ["--reference_config", str(config), "--exp_dir", str(exp)]
    for number, sizes in ((0, ["2", "1"]), (1, ["1"])):
        options[4:] = ["--list", str(tmp_path / f"list{number}"), "--sizes", *sizes]
        assert command.main([*options, "--baselines", *map(str, two)]) == 0
    names = [
        [Path(line).name for line in (tmp_path / f"list{n}").read_text().splitlines()]
        for n in (0, 1)
    ]
    assert names[0] == [
        "asr_one_s1_2l",
        "asr_one_s1_1l",
        "asr_two_s1_2l",
        "asr_two_s1_1l",
    ]
    assert names[1] == ["asr_one_s1_1l", "asr_two_s1_1l"]


def test_another_training_brings_its_epochs(tiny_asr_model, tmp_path, trainer, write):
    other = tmp_path / "other.yaml"
    other.write_text("{max_epoch: 30, optim: sgd}")
    own = {"max_epoch": 8, "freeze_param": ["encoder.embed"]}
    recipe = write(method="scratch", epochs={2: 9}, training_conf=own)
    do(recipe, tiny_asr_model, tmp_path, training=other)
    for asked in trainer.asked.values():
        config = asked.config
        assert (config["max_epoch"], config["optim"]) == (30, "sgd")
        assert config["freeze_param"] == ["encoder.embed"]


def test_feed_forward_units_alone_reach_some_sizes(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    recipe = write(method="width", options={"model_width": False})
    made = do(recipe, tiny_asr_model, tmp_path, sizes=[1, 3])
    assert list(trainer.asked) == [folder.name for folder in made] == ["asr_some_s3_3l"]
    assert "1 layers are skipped" in caplog.text


def test_epochs_on_the_command_line_win(tiny_asr_model, tmp_path, trainer, write):
    recipe = write(method="scratch", epochs={2: 9})
    do(recipe, tiny_asr_model, tmp_path, max_epoch=2)
    assert {asked.config["max_epoch"] for asked in trainer.asked.values()} == {2}


def test_other_settings_need_a_file_of_another_name(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    """A learning rate is not in the folder's name; the message says what is."""
    recipe = write("one", method="scratch")
    options = ["--reference_config", str(tiny_asr_model.config), "--sizes", "1"]
    options += ["--exp_dir", str(tmp_path / "exp"), "--baselines"]
    assert command.main([*options, str(recipe)]) == 0
    assert command.main([*options, str(recipe), "--max_lr", "0.5"]) != 0
    assert list(trainer.asked) == ["asr_one_s1_1l"]
    assert "asr_one_s1_1l holds a result with different inputs: " in caplog.text
    assert "optim_conf.lr (was not given, is 0.5)" in caplog.text
    assert "copy the baseline's file under another name in --baseline_dir" in (
        caplog.text
    )
    copy = write("two", method="scratch", variant="fast")
    assert command.main([*options, str(copy), "--max_lr", "0.5"]) == 0
    assert list(trainer.asked) == ["asr_one_s1_1l", "asr_two_s1_1l"]


def test_all_files_are_read_before_the_first_training(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    options = ["--reference_config", str(tiny_asr_model.config), "--sizes", "1"]
    options += ["--exp_dir", str(tmp_path / "exp"), "--baselines"]
    good = str(write("one", method="scratch"))
    assert command.main([*options, good, str(write("bad", method="x"))]) == 2
    # A copy without a variant of its own could not be told from it in the tables.
    assert command.main([*options, good, str(write("two", method="scratch"))]) == 2
    assert "one.yaml and" in caplog.text and "two.yaml both have" in caplog.text
    assert not trainer.asked


def test_a_finished_model_of_the_same_row_is_noticed_before_training(
    tiny_asr_model, tmp_path, trainer, write, caplog
):
    options = ["--reference_config", str(tiny_asr_model.config), "--sizes", "2"]
    options += ["--exp_dir", str(tmp_path / "exp"), "--baselines"]
    assert command.main([*options, str(write("one", method="scratch"))]) == 0
    two = str(write("two", method="scratch"))
    assert command.main([*options, two]) == 2
    said = caplog.text
    assert "asr_two_s1_2l would be 'scratch' with 2 layers and seed 1" in said
    assert "asr_one_s1_2l already is" in said and f"give {two} a variant" in said
    assert list(trainer.asked) == ["asr_one_s1_2l"]
    # A learning rate, a seed or a size of its own is another row.
    for more in (["--max_lr", "0.5"], ["--seed", "2"]):
        assert command.main([*options, two, *more]) == 0
    # The file was replaced by one of another method under the same name.
    assert command.main([*options, str(write("one", method="layer_copy"))]) == 2
    assert "asr_one_s1_2l is a model of the method scratch, but layer_copy" in (
        caplog.text
    )
    assert list(trainer.asked) == ["asr_one_s1_2l", "asr_two_s1_2l", "asr_two_s2_2l"]
