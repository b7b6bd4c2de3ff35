"""Every baseline trained for a moment, from its configuration to a stock model."""

import logging

import pytest
import torch
import yaml
from tiny_asr import data_options

from espnet_plugin.baselines.reference import Reference
from espnet_plugin.baselines.run import run_baseline
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import ModelFiles
from espnet_plugin.files import read_json

pytestmark = pytest.mark.slow

TRAINING = {
    "batch_type": "sorted",
    "batch_size": 2,
    "max_epoch": 3,
    "num_workers": 0,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "optim": "adamw",
    "optim_conf": {"lr": 0.002},
    "best_model_criterion": [["valid", "cer_ctc", "min"]],
    "keep_nbest_models": 2,
}


@pytest.fixture
def do(tiny_hybrid_model, tmp_path):
    """Train what a configuration says on the tiny data."""
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(TRAINING))
    options = data_options(tiny_hybrid_model.data_dir)

    def do(teacher_cache=None, sizes=(2, 1), **content):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({"training": "train.yaml", **content}))
        return run_baseline(
            path,
            ModelFiles(tiny_hybrid_model.config, tiny_hybrid_model.checkpoint),
            sizes,
            options,
            str(tmp_path / "exp/asr_some_s1"),
            1,
            teacher_cache=teacher_cache,
        )

    return do


def load(folder):
    """Load a finished model as stock ESPnet's strict loading would."""
    meta = read_json(folder / "meta.json")
    model, args = load_asr_model(folder / "config.yaml", folder / meta["checkpoint"])
    assert args.model == "espnet" and meta["seed"] == 1
    return model, meta


@pytest.fixture
def reference(tiny_hybrid_model):
    return Reference(tiny_hybrid_model.config, tiny_hybrid_model.checkpoint)


def test_layer_prune(do, tmp_path):
    (alone,) = do(method="layer_prune", sizes=[1])
    measured = (tmp_path / "exp/asr_some_s1_search_1l/cost.json").stat().st_mtime_ns
    # The larger size lies on the way to the smaller, so nothing is measured again.
    folders = do(method="layer_prune")
    assert alone == folders[1]
    search = tmp_path / "exp/asr_some_s1_search_1l"
    found = read_json(search / "layers.json")
    for folder, size in zip(folders, (2, 1)):
        model, meta = load(folder)
        assert len(model.encoder.encoders) == size
        assert meta["kept_layers"] == found["kept"][str(size)]
        assert meta["shared"] == search.name
    assert (search / "cost.json").stat().st_mtime_ns == measured
    assert read_json(search / "meta.json")["serves"] == [2, 1]
    cost = read_json(search / "cost.json")
    assert cost["evaluations"] == 3 + 2 and cost["teacher_flops"] > 0
    # The losses are those that ESPnet's own model reports for the same layers.
    first = found["history"][0]
    assert first["loss"] == min(first["losses"].values())


def test_gradual_magnitude(do, reference, tmp_path):
    folders = do(method="magnitude", options={"every": 1, "end": 0.4})
    for folder, size in zip(folders, (2, 1)):
        model, meta = load(folder)
        assert len(model.encoder.encoders) == 3
        # The dense model has zeros of its own: biases that start so.
        assert meta["params_nonzero"] <= meta["target_params"] < meta["params"]
        assert meta["target_params"] == reference.params(size)
        whole = reference.params(3) - meta["target_params"]
        pruned = sum(
            int((p == 0).sum())
            for n, p in model.named_parameters()
            if n.startswith("encoder.encoders") and n.endswith("weight")
        )
        assert pruned == pytest.approx(whole, abs=1)
        cost = read_json(folder / "cost.json")
        assert cost["epochs"] == 3 and cost["flops"] > 0
    before = folders[0].joinpath("model.pth").read_bytes()
    do(method="magnitude", options={"every": 1, "end": 0.4})
    assert folders[0].joinpath("model.pth").read_bytes() == before


def test_gates(do, reference):
    options = {"eta": {2: 0.05, 1: 0.05}, "threshold": 0.1}
    conf = {"optim_conf": {"lr": 0.05}, "max_epoch": 6}
    folders = do(method="gates", options=options, training_conf=conf)
    for folder, size in zip(folders, (2, 1)):
        model, meta = load(folder)
        # Averaged weights and thresholds need not meet the target exactly.
        assert 0.5 < meta["params_nonzero"] / reference.params(size) < 1.1


def test_gates_that_do_not_reach_the_target_say_so(do):
    with pytest.raises(UserError, match="raise eta"):
        do(method="gates", options={"eta": {2: 1e-9, 1: 1e-9}})


@pytest.mark.parametrize("cached", [False, True])
def test_ctc_kd(do, caplog, tmp_path, cached):
    caplog.set_level(logging.INFO)
    folders = do(
        teacher_cache=str(tmp_path / "cache") if cached else None,
        method="ctc_kd",
        options={"student_init": "last"},
    )
    for folder, size in zip(folders, (2, 1)):
        model, meta = load(folder)
        assert len(model.encoder.encoders) == size and meta["shared"] is None
        cost = read_json(folder / "cost.json")
        assert cost["teacher_flops"] > 0
        assert set(cost["once"]) == ({"teacher_cache"} if cached else set())
        log = (folder / "train/train.log").read_text()
        assert "loss_kl=" in log and "loss_ctc=" in log


def test_early_exit(do, tmp_path):
    folders = do(method="early_exit")
    exits = tmp_path / "exp/asr_some_s1_exits"
    whole = torch.load(exits / "valid.cer_ctc.ave.pth", weights_only=True)
    speech = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([16000])
    model, _ = load_asr_model(exits / "config.yaml", exits / "valid.cer_ctc.ave.pth")
    with torch.no_grad():
        (last, inner), _ = model.encode(speech, lengths)
    ((index, first),) = inner
    assert index == 1
    for folder, size, expected in zip(folders, (2, 1), (last, first)):
        cut, meta = load(folder)
        assert all(torch.equal(v, whole[k]) for k, v in cut.state_dict().items())
        assert meta["shared"] == exits.name
        # From random weights: another reference is nothing to it.
        assert "reference_sha256" not in meta
        # The cut model says what the exit said.
        with torch.no_grad():
            encoded, _ = cut.encode(speech, lengths)
        assert torch.allclose(encoded, expected, atol=1e-6)
        assert read_json(folder / "cost.json")["flops"] == 0
    assert read_json(exits / "meta.json")["serves"] == [2, 1]


def test_width_and_layer_copy_train(do, reference):
    for method, layers in (("width", 3), ("layer_copy", 2)):
        folder = do(method=method, training_conf={"max_epoch": 1})[0]
        model, meta = load(folder)
        assert len(model.encoder.encoders) == layers
        assert meta["params"] <= reference.params(2)
        assert meta["reference_sha256"] == reference.sha256
        for path in folder.parent.iterdir():  # the next method's folders are these
            if path.is_dir():
                path.rename(path.with_name(f"{method}_{path.name}"))
