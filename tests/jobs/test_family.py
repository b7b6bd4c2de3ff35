"""The smaller models of a family: where they come from and what is refused."""

import logging

import pytest
import torch
from noting_trainer import NotingTrainer

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json, write_json
from espnet_plugin.jobs import family
from espnet_plugin.jobs.trainer import use_trainer
from espnet_plugin.shape import Shape

AVERAGED = "valid.cer_ctc.ave.pth"
ENCRL_AVERAGED = "valid.loss.ave.pth"


@pytest.fixture
def trainer():
    """Trainings are noted, and add noise to the weights they start from."""
    noting = NotingTrainer(noise=0.1)
    with use_trainer(noting):
        yield noting


def _encrl_run(tiny, folder, **meta):
    """A finished EncRL run, made of the tiny reference itself."""
    folder.mkdir()
    (folder / "config.yaml").write_text(tiny.config.read_text())
    (folder / ENCRL_AVERAGED).write_bytes(tiny.checkpoint.read_bytes())
    write_json(folder / "meta.json", {"variant": "v", "seed": 4, **meta})
    write_json(folder / "done.json", {})
    return folder


def test_sizes_take_the_last_layers(tiny_asr_model, tmp_path, trainer):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    options = ["--ngpu", "0", "--dist_rank", "0"]
    training = {"max_epoch": 3}
    family.finetune_family(run, [3, 1], "last", training, options, f"{tmp_path}/asr", 1)
    init = torch.load(tmp_path / "asr_1l/init/model.pth", weights_only=True)
    source = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    name = "encoder.encoders.{}.norm_ff.weight"
    assert torch.equal(init[name.format(0)], source[name.format(2)])
    asked = trainer.asked["asr_1l"]
    assert asked.init == tmp_path / "asr_1l/init/model.pth"
    assert asked.config["max_epoch"] == 3
    assert asked.options == [*options, "--seed", "1"]
    meta = read_json(tmp_path / "asr_1l/meta.json")
    assert meta["kept_layers"] == [2] and meta["shared"] == "encrl"
    assert (meta["method"], meta["variant"], meta["seed"]) == ("encrl", "v", 1)
    assert (meta["layers"], meta["width"], meta["checkpoint"]) == (1, 16, AVERAGED)
    model, _ = load_asr_model(asked.folder / "config.yaml", asked.folder / AVERAGED)
    assert meta["params"] == sum(p.numel() for p in model.parameters())
    # Ranks differ from one start to the next, so they are no part of the request.
    request = read_json(tmp_path / "asr_1l/request.json")
    assert request["options"] == ["--ngpu", "0", "--seed", "1"]


def test_a_size_with_a_width_is_named_by_it(tiny_asr_model, tmp_path, trainer):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl", size_width=16)
    layers = family.layers_of_run(run, [Shape(3, 16)])
    assert layers == [3]
    family.finetune_family(run, layers, "last", {}, [], f"{tmp_path}/asr", 1)
    family.export_direct(run, layers, "last", f"{tmp_path}/direct")
    for name in ("asr_3x16l", "direct_3x16l"):
        meta = read_json(tmp_path / name / "meta.json")
        assert (meta["layers"], meta["size_width"]) == (3, 16)
    for other in (Shape(3), Shape(3, 8)):
        with pytest.raises(UserError, match=f"--sizes {other}: .*with width 16"):
            family.layers_of_run(run, [other])
    plain = _encrl_run(tiny_asr_model, tmp_path / "plain")
    assert family.layers_of_run(plain, [Shape(3), Shape(1)]) == [3, 1]
    with pytest.raises(UserError, match="3x8: .*with the reference's width"):
        family.layers_of_run(plain, [Shape(3, 8)])


def test_a_retrained_encrl_run_is_noticed(tiny_asr_model, tmp_path, trainer):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    family.finetune_family(run, [1], "last", {}, [], f"{tmp_path}/asr", 1)
    trainer.asked.clear()
    family.finetune_family(run, [1], "last", {}, [], f"{tmp_path}/asr", 1)
    with open(run / ENCRL_AVERAGED, "ab") as stream:
        stream.write(b"another")
    with pytest.raises(UserError, match="from a different training"):
        family.finetune_family(run, [1], "last", {}, [], f"{tmp_path}/asr", 1)
    assert not trainer.asked


def test_too_many_layers_are_refused_before_any_work(tiny_asr_model, tmp_path, trainer):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    with pytest.raises(UserError, match="4 layers cannot be made from 3"):
        family.finetune_family(run, [2, 4], "last", {}, [], f"{tmp_path}/asr", 1)
    assert not trainer.asked and not list(tmp_path.glob("asr*"))


def test_an_unfinished_encrl_run_is_named(tmp_path):
    with pytest.raises(UserError, match="is not finished: run stage 5"):
        family.finetune_family(tmp_path, [1], "last", {}, [], f"{tmp_path}/asr", 1)


def test_untrained_reference_is_random_and_whole(tiny_asr_model, tmp_path):
    folder = tmp_path / "asr_untrained"
    for _ in range(2):  # the second time nothing is left to do
        family.write_untrained(tiny_asr_model.config, folder, seed=5)
    load_asr_model(folder / "config.yaml", folder / "model.pth")
    ours = torch.load(folder / "model.pth", weights_only=True)
    theirs = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    name = "encoder.encoders.0.feed_forward.w_1.weight"
    assert ours[name].std() > 0 and not torch.equal(ours[name], theirs[name])
    # The statistics of normalisation are data, not training.
    assert torch.equal(ours["normalize.mean"], theirs["normalize.mean"])
    meta = read_json(folder / "meta.json")
    assert meta["method"] == "untrained" and meta["checkpoint"] == "model.pth"
    assert read_json(folder / "cost.json")["flops"] == 0


def test_direct_models_are_the_encrl_runs_own_layers(tiny_asr_model, tmp_path, trainer):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    family.export_direct(run, [2], "spaced", f"{tmp_path}/asr")
    state = torch.load(tmp_path / "asr_2l/model.pth", weights_only=True)
    source = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    for ours, theirs in ((0, 0), (1, 2)):
        names = [n for n in state if n.startswith(f"encoder.encoders.{ours}.")]
        for name in names:
            before = name.replace(f"encoders.{ours}.", f"encoders.{theirs}.")
            assert torch.equal(state[name], source[before]), name
    meta = read_json(tmp_path / "asr_2l/meta.json")
    assert (meta["method"], meta["seed"]) == ("encrl_direct", 4)
    assert meta["kept_layers"] == [0, 2] and meta["shared"] == "encrl"
    assert read_json(tmp_path / "asr_2l/cost.json")["flops"] == 0
    assert not trainer.asked and not Experiment(tmp_path / "asr_2l").missing()[1:]


@pytest.mark.parametrize("name", ["config.yaml", "model.pth", "meta.json"])
def test_a_lost_file_of_a_cut_out_model_is_written_again(
    tiny_asr_model, tmp_path, trainer, name, caplog
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    family.export_direct(run, [2], "spaced", f"{tmp_path}/asr")
    path = tmp_path / "asr_2l" / name
    before = path.read_bytes()
    path.unlink()
    caplog.set_level(logging.INFO)
    family.export_direct(run, [2], "spaced", f"{tmp_path}/asr")
    assert path.read_bytes() == before
    assert "asr_2l is made again, because files of it are missing" in caplog.text


def test_sizes_trained_together_are_the_exits_of_what_was_trained(
    tiny_asr_model, tmp_path, trainer
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    training = {"max_epoch": 2}
    family.finetune_together(run, [1, 3, 2], training, ["--x", "y"], f"{tmp_path}/a", 7)
    (asked,) = trainer.asked.values()
    config = asked.config
    assert config["encoder_conf"]["interctc_layer_idx"] == [1, 2]
    # A third of the loss for each of three sizes.
    assert config["model_conf"]["interctc_weight"] == pytest.approx(2 / 3)
    assert config["max_epoch"] == 2 and asked.options == ["--x", "y", "--seed", "7"]
    meta = read_json(tmp_path / "a_family/meta.json")
    assert (meta["after"], meta["serves"]) == ("encrl", [3, 2, 1])
    assert meta["method"] == "encrl_finetune" and "shared" not in meta
    # Stock ESPnet computes the exits; the models that were cut out say the same.
    together = tmp_path / "a_family"
    whole, _ = load_asr_model(together / "config.yaml", together / AVERAGED)
    speech = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([16000, 12000])
    with torch.no_grad():
        (last, exits), out_lengths = whole.eval().encode(speech, lengths)
        for layers, theirs in (*exits, (3, last)):
            folder = tmp_path / f"a_{layers}l"
            meta = read_json(folder / "meta.json")
            assert (meta["shared"], meta["layers"]) == ("a_family", layers)
            model, _ = load_asr_model(
                folder / "config.yaml", folder / meta["checkpoint"]
            )
            ours, our_lengths = model.eval().encode(speech, lengths)
            assert torch.equal(our_lengths, out_lengths)
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("alone", [{}, {2: 1, 1: 1}])
def test_models_of_another_family_are_not_mixed(
    tiny_asr_model, tmp_path, trainer, alone, caplog
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    args = (run, [2, 1], {}, [], f"{tmp_path}/a", 1)
    family.finetune_together(*args, alone=alone)
    trainer.asked.clear()
    family.finetune_together(*args, alone=alone)
    assert not trainer.asked
    # Another training of the family: what was cut out of the first does not stay.
    with open(tmp_path / "a_family" / AVERAGED, "ab") as stream:
        stream.write(b"another")
    caplog.set_level(logging.INFO)
    if alone:  # it was trained
        with pytest.raises(UserError, match="a_[12]l was fine-tuned from a different"):
            family.finetune_together(*args, alone=alone)
    else:  # it cost nothing but the family
        family.finetune_together(*args, alone=alone)
        for size in (1, 2):
            said = f"a_{size}l is made again, because its inputs have changed: "
            assert f"{said}encrl_sha256 (was " in caplog.text
    # Another EncRL run: nor does the family.
    with open(run / ENCRL_AVERAGED, "ab") as stream:
        stream.write(b"another")
    with pytest.raises(UserError, match="a_family was fine-tuned from a different"):
        family.finetune_together(*args, alone=alone)


def test_a_size_may_go_on_alone_from_what_was_cut_out(
    tiny_asr_model, tmp_path, trainer
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    args = (run, [3, 1], {"max_epoch": 4}, [], f"{tmp_path}/a", 1)
    family.finetune_together(*args, alone={1: 2})
    whole, asked = trainer.asked.values()
    assert asked.folder == tmp_path / "a_1l"
    assert (whole.config["max_epoch"], asked.config["max_epoch"]) == (4, 2)
    assert "interctc_layer_idx" not in asked.config["encoder_conf"]
    assert asked.config["encoder_conf"]["num_blocks"] == 1
    meta = read_json(tmp_path / "a_1l/meta.json")
    assert (meta["shared"], meta["method"]) == ("a_family", "encrl")
    start = torch.load(asked.init, weights_only=True)
    source = torch.load(tmp_path / "a_family" / AVERAGED, weights_only=True)
    layer = "encoder.encoders.0.norm_ff.weight"
    assert torch.equal(start[layer], source[layer])
    assert not any(key.startswith("encoder.encoders.1.") for key in start)
    # The other size is cut out, and both are whole.
    for size in (3, 1):
        assert Experiment(tmp_path / f"a_{size}l").is_finished


@pytest.mark.parametrize("alone", [{2: 1}, {1: 0}])
def test_only_sizes_that_are_made_go_on_alone(tiny_asr_model, tmp_path, trainer, alone):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    with pytest.raises(UserError, match="must be one of the sizes"):
        family.finetune_together(run, [3, 1], {}, [], f"{tmp_path}/a", 1, alone)
    assert not trainer.asked


def test_a_lost_description_is_named(tiny_asr_model, tmp_path, trainer):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    arguments = (run, [2], "last", {}, [], f"{tmp_path}/asr", 1)
    family.finetune_family(*arguments)
    (tmp_path / "asr_2l/meta.json").unlink()
    trainer.asked.clear()
    with pytest.raises(UserError, match="asr_2l is finished, but its meta.json is"):
        family.finetune_family(*arguments)
    assert not trainer.asked
