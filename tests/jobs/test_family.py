"""The smaller models of a family: where they come from and what is refused."""

import pytest
import torch
import yaml

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json
from espnet_plugin.jobs import family

AVERAGED = "valid.cer_ctc.ave.pth"


@pytest.fixture
def calls(monkeypatch):
    """Catch the trainings that would be started."""
    caught = []

    def spy(folder, config, options, meta, init=None):
        caught.append((folder.name, config, options, meta))

    monkeypatch.setattr(family, "train_plain_model", spy)
    return caught


def _encrl_run(tiny, folder):
    """A finished EncRL run, made of the tiny reference itself."""
    folder.mkdir()
    (folder / "config.yaml").write_text(tiny.config.read_text())
    (folder / family.ENCRL_AVERAGED).write_bytes(tiny.checkpoint.read_bytes())
    write_json(folder / "meta.json", {"variant": "v", "seed": 4})
    write_json(folder / "done.json", {})
    return folder


def test_sizes_take_the_last_layers(tiny_asr_model, tmp_path, calls):

    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    family.finetune_family(run, [3, 1], "last", {}, [], f"{tmp_path}/asr", 1)
    init = torch.load(tmp_path / "asr_1l/init/model.pth", weights_only=True)
    source = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    name = "encoder.encoders.{}.norm_ff.weight"
    assert torch.equal(init[name.format(0)], source[name.format(2)])
    assert calls[1][3]["kept_layers"] == [2] and calls[1][3]["shared"] == "encrl"
    load_asr_model(
        tmp_path / "asr_1l/init/config.yaml", tmp_path / "asr_1l/init/model.pth"
    )


def test_a_retrained_encrl_run_is_noticed(tiny_asr_model, tmp_path, calls):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    family.finetune_family(run, [1], "last", {}, [], f"{tmp_path}/asr", 1)
    folder = tmp_path / "asr_1l"
    write_json(folder / "meta.json", calls[0][3])
    write_json(folder / "done.json", {})
    family.finetune_family(run, [1], "last", {}, [], f"{tmp_path}/asr", 1)
    with open(run / family.ENCRL_AVERAGED, "ab") as stream:
        stream.write(b"another")
    with pytest.raises(UserError, match="from another training"):
        family.finetune_family(run, [1], "last", {}, [], f"{tmp_path}/asr", 1)


def test_too_many_layers_are_refused_before_any_work(tiny_asr_model, tmp_path, calls):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    with pytest.raises(UserError, match="4 layers cannot be taken from 3"):
        family.finetune_family(run, [2, 4], "last", {}, [], f"{tmp_path}/asr", 1)
    assert not calls and not list(tmp_path.glob("asr*"))


def test_an_unfinished_encrl_run_is_named(tmp_path):
    with pytest.raises(UserError, match="stage 5"):
        family.finetune_family(tmp_path, [1], "last", {}, [], f"{tmp_path}/asr", 1)


def test_untrained_reference_is_random_and_whole(tiny_asr_model, tmp_path):
    folder = tmp_path / "asr_untrained"
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


def test_sizes_trained_together_are_the_exits_of_what_was_trained(
    tiny_asr_model, tmp_path, monkeypatch
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    calls = []

    def spy(folder, config, options, meta, init):
        calls.append((config, options, meta))
        state = torch.load(init, weights_only=True)
        generator = torch.Generator().manual_seed(3)
        for name, value in state.items():
            if value.is_floating_point() and "running" not in name:
                value += 0.1 * torch.rand(value.shape, generator=generator)
        torch.save(state, folder / AVERAGED)
        write_json(folder / "done.json", {})

    monkeypatch.setattr(family, "train_plain_model", spy)
    training = {"max_epoch": 2}
    family.finetune_together(run, [1, 3, 2], training, ["--x", "y"], f"{tmp_path}/a", 7)
    ((config, options, meta),) = calls
    assert config["encoder_conf"]["interctc_layer_idx"] == [1, 2]
    # A third of the loss for each of three sizes.
    assert config["model_conf"]["interctc_weight"] == pytest.approx(2 / 3)
    assert config["max_epoch"] == 2 and options == ["--x", "y", "--seed", "7"]
    assert (meta["after"], meta["serves"]) == ("encrl", [3, 2, 1])
    # Stock ESPnet computes the exits; the models that were cut out say the same.
    path = tmp_path / "exits.yaml"
    path.write_text(yaml.safe_dump(config))
    whole, _ = load_asr_model(path, tmp_path / "a_family" / AVERAGED)
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
    tiny_asr_model, tmp_path, monkeypatch, alone
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")

    def spy(folder, config, options, meta, init):
        if not (folder / "done.json").is_file():
            (folder / AVERAGED).write_bytes(init.read_bytes())
        write_json(folder / "meta.json", meta)
        write_json(folder / "done.json", {})

    monkeypatch.setattr(family, "train_plain_model", spy)
    args = (run, [2, 1], {}, [], f"{tmp_path}/a", 1)
    for _ in range(2):  # the second time nothing is left to do
        family.finetune_together(*args, alone=alone)
    # Another training of the family: what was cut out of the first does not stay.
    with open(tmp_path / "a_family" / AVERAGED, "ab") as stream:
        stream.write(b"another")
    with pytest.raises(UserError, match="a_[12]l .*another"):
        family.finetune_together(*args, alone=alone)
    # Another EncRL run: nor does the family.
    with open(run / family.ENCRL_AVERAGED, "ab") as stream:
        stream.write(b"another")
    with pytest.raises(UserError, match="a_family was fine-tuned from another"):
        family.finetune_together(*args, alone=alone)


def test_a_size_may_go_on_alone_from_what_was_cut_out(
    tiny_asr_model, tmp_path, monkeypatch
):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    calls = []

    def spy(folder, config, options, meta, init):
        calls.append((folder.name, config, meta, torch.load(init, weights_only=True)))
        (folder / AVERAGED).write_bytes(init.read_bytes())

    monkeypatch.setattr(family, "train_plain_model", spy)
    training = {"max_epoch": 4}
    args = (run, [3, 1], training, [], f"{tmp_path}/a", 1)
    family.finetune_together(*args, alone={1: 2})
    (_, whole, _, _), (name, config, meta, start) = calls
    assert (name, meta["shared"], meta["method"]) == ("a_1l", "a_family", "encrl")
    assert (whole["max_epoch"], config["max_epoch"]) == (4, 2)
    assert "interctc_layer_idx" not in config["encoder_conf"]
    assert config["encoder_conf"]["num_blocks"] == 1
    source = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    layer = "encoder.encoders.0.norm_ff.weight"
    assert torch.equal(start[layer], source[layer])
    assert not any(key.startswith("encoder.encoders.1.") for key in start)


@pytest.mark.parametrize("alone", [{2: 1}, {1: 0}])
def test_only_sizes_that_are_made_go_on_alone(tiny_asr_model, tmp_path, calls, alone):
    run = _encrl_run(tiny_asr_model, tmp_path / "encrl")
    with pytest.raises(UserError, match="must be one of the sizes"):
        family.finetune_together(run, [3, 1], {}, [], f"{tmp_path}/a", 1, alone)
    assert not calls
