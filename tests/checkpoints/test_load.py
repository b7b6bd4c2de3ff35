"""Every tensor has its place, and no checkpoint runs code."""

import os
import pickle
import shutil
import sys

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask, encoder_choices
from tiny_asr import build_tiny_asr

from espnet_plugin import host
from espnet_plugin.checkpoints.checkpoint import choose_checkpoint, read_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.checkpoints.registration import register_later
from espnet_plugin.errors import UserError
from espnet_plugin.names import DUAL_MODE


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def state(tiny_asr_model):
    return torch.load(tiny_asr_model.checkpoint, weights_only=True)


def save(state, path):
    torch.save(state, path)
    return path


def test_loads_what_espnet_loads(tiny_asr_model):
    ours, args = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    theirs, _ = ASRTask.build_model_from_file(
        tiny_asr_model.config, tiny_asr_model.checkpoint
    )
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    for key, value in ours.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert not ours.training
    assert args.token_list == tiny_asr_model.token_list
    assert args.token_type == "char"


def test_loads_a_hybrid_model_with_its_decoder(tiny_hybrid_model):
    model, _ = load_asr_model(tiny_hybrid_model.config, tiny_hybrid_model.checkpoint)
    assert model.decoder is not None and model.ctc is not None


@pytest.mark.parametrize("wrapper", ["module", "state_dict"])
def test_loads_wrapped_tensors(tiny_asr_model, state, tmp_path, wrapper):
    path = save({wrapper: state, "step": 3}, tmp_path / "wrapped.pth")
    model, _ = load_asr_model(tiny_asr_model.config, path)
    assert torch.equal(model.ctc.ctc_lo.weight, state["ctc.ctc_lo.weight"])


def test_loads_the_names_of_older_releases(tiny_asr_model, state, tmp_path):
    old = {
        key.replace("encoder.embed.out.", "encoder.embed.out.0."): value
        for key, value in state.items()
    }
    if old.keys() == state.keys():
        pytest.skip("this ESPnet names the layer as older ones did")
    model, _ = load_asr_model(tiny_asr_model.config, save(old, tmp_path / "old.pth"))
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_what_a_diverged_training_left(tiny_asr_model, state, tmp_path, value):
    name = "encoder.encoders.1.feed_forward.w_1.weight"
    state[name] = state[name].clone()
    state[name][2, 3] = value
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(UserError, match=f"model.pth: {name} holds NaN or infinite"):
        load_asr_model(tiny_asr_model.config, tmp_path / "model.pth")


def test_refuses_a_missing_tensor(tiny_asr_model, state, tmp_path):
    # Stock ESPnet takes this one without a word.
    del state["ctc.ctc_lo.weight"], state["ctc.ctc_lo.bias"]
    path = save(state, tmp_path / "missing.pth")
    ASRTask.build_model_from_file(tiny_asr_model.config, path)
    with pytest.raises(UserError, match=r"missing.pth.* 2 missing \(ctc.ctc_lo.bias"):
        load_asr_model(tiny_asr_model.config, path)


def test_refuses_a_surplus_tensor(tiny_asr_model, state, tmp_path):
    state["teacher.weight"] = torch.zeros(3)
    path = save(state, tmp_path / "surplus.pth")
    with pytest.raises(UserError, match=r"1 surplus \(teacher.weight\)"):
        load_asr_model(tiny_asr_model.config, path)


def test_refuses_another_shape_and_names_all_problems(tiny_asr_model, state, tmp_path):
    state["ctc.ctc_lo.weight"] = torch.zeros(99, 16)
    state["more"] = torch.zeros(3)
    del state["ctc.ctc_lo.bias"]
    path = save(state, tmp_path / "shape.pth")
    with pytest.raises(UserError) as caught:
        load_asr_model(tiny_asr_model.config, path)
    message = str(caught.value)
    assert "ctc.ctc_lo.weight is [99, 16], not [30, 16]" in message
    assert "1 missing (ctc.ctc_lo.bias)" in message and "1 surplus (more)" in message


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_refuses_a_truncated_file(tiny_asr_model, tmp_path, kept):
    content = tiny_asr_model.checkpoint.read_bytes()
    path = tmp_path / "half.pth"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UserError, match="half.pth cannot be read.*truncated"):
        load_asr_model(tiny_asr_model.config, path)


def test_a_configuration_instead_of_a_checkpoint_is_called_so(tiny_asr_model):
    with pytest.raises(UserError, match="config.yaml is a text file, not a checkpoint"):
        load_asr_model(tiny_asr_model.config, tiny_asr_model.config)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_never_runs_pickled_code(tiny_asr_model, state, tmp_path, form):
    victim, path = tmp_path / "owned", tmp_path / "evil.pth"
    content = {**state, "evil": Malicious(victim)}
    if form == "plain":
        path.write_bytes(pickle.dumps(Malicious(victim)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match="evil.pth holds pickled code"):
        load_asr_model(tiny_asr_model.config, path)
    assert not victim.exists()
    if form == "plain":  # the trap works where code is run
        pickle.loads(path.read_bytes())
        assert victim.exists()


@pytest.mark.parametrize(
    "content, message",
    [
        ([torch.zeros(2)], "holds a list"),
        ({}, "not named tensors"),
        ({"model": {"a": torch.zeros(2)}, "epoch": 3}, "model, epoch besides tensors"),
    ],
)
def test_refuses_what_is_no_model(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_checkpoint(save(content, tmp_path / "other.pth"))


def test_refuses_a_missing_checkpoint(tiny_asr_model, tmp_path):
    with pytest.raises(UserError, match="no.pth is missing"):
        load_asr_model(tiny_asr_model.config, tmp_path / "no.pth")


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_finds_files_from_the_folders_above(
    tiny_asr_model, tmp_path, monkeypatch, depth
):
    """As for the experiment of another recipe, given by its path."""
    folder = tmp_path / "recipe" / "a" / "b" / "c"
    folder.mkdir(parents=True)
    root = [folder, *folder.parents][depth]
    (root / "stats").mkdir()
    shutil.copy(tiny_asr_model.stats, root / "stats" / "s.npz")
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["normalize_conf"]["stats_file"] = "stats/s.npz"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.chdir("/")
    _, args = load_asr_model(folder / "config.yaml", tiny_asr_model.checkpoint)
    assert args.normalize_conf["stats_file"] == str(root / "stats" / "s.npz")


def test_finds_a_file_beside_a_moved_configuration(tiny_asr_model, tmp_path):
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["normalize_conf"]["stats_file"] = "/their/machine/feats_stats.npz"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="stats_file: /their/machine.* searched for"):
        load_asr_model(path, tiny_asr_model.checkpoint)
    shutil.copy(tiny_asr_model.stats, tmp_path)
    load_asr_model(path, tiny_asr_model.checkpoint)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(token_list=None), "cannot build|token_list"),
        (dict(encoder="no_such"), "no_such"),
        (dict(model="no_such"), "no_such"),
        (dict(model_conf=[1]), "model_conf must be a mapping"),
        (dict(use_adapter=True), "use_adapter"),
        ("lacks", "lacks token_list, encoder"),
        ("text", "holds no keys"),
        ("python", "plain YAML"),
        ("missing", "is missing"),
    ],
)
def test_refuses_a_wrong_configuration(tiny_asr_model, tmp_path, change, message):
    path = tmp_path / "config.yaml"
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    if isinstance(change, dict):
        path.write_text(yaml.safe_dump({**config, **change}))
    elif change == "lacks":
        path.write_text("init: null\n")
    elif change == "text":
        path.write_text("hello\n")
    elif change == "python":
        path.write_text(f"a: !!python/object/apply:os.mkdir ['{tmp_path}/owned']\n")
    with pytest.raises(UserError, match=message):
        load_asr_model(path, tiny_asr_model.checkpoint)
    assert not (tmp_path / "owned").exists()


def test_refuses_damaged_statistics(tiny_asr_model, tmp_path):
    import numpy as np

    config = yaml.safe_load(tiny_asr_model.config.read_text())
    stats = tmp_path / "stats.npz"
    config["normalize_conf"]["stats_file"] = str(stats)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    stats.write_bytes(tiny_asr_model.stats.read_bytes()[:300])
    with pytest.raises(UserError, match="stats.npz cannot be read"):
        load_asr_model(path, tiny_asr_model.checkpoint)
    np.savez(stats, count=np.array([Malicious(tmp_path / "owned")], dtype=object))
    with pytest.raises(UserError, match="stats.npz"):
        load_asr_model(path, tiny_asr_model.checkpoint)
    assert not (tmp_path / "owned").exists()


def test_chooses_the_average_by_ctc_error_rate(tmp_path):
    def choice(*names, **options):
        for path in tmp_path.glob("*"):
            path.unlink()
        for name in names:
            (tmp_path / name).touch()
        return choose_checkpoint(tmp_path, **options).name

    cer, acc = "valid.cer_ctc.ave.pth", "valid.acc.ave.pth"
    assert choice(cer, acc, "latest.pth", "10epoch.pth") == cer
    # Without a decoder there is no accuracy, and its average is of any epochs.
    assert choice(acc, "valid.loss.ave.pth") == "valid.loss.ave.pth"
    assert choice(acc, "valid.loss.ave.pth", ctc_only=False) == acc
    for phase, value in ("train", "acc"), ("valid", "loss_att"), ("valid", "wer"):
        without_decoder = f"{phase}.{value}.ave.pth"
        assert choice(without_decoder, "valid.loss.best.pth") == "valid.loss.best.pth"
        assert choice(without_decoder, "1epoch.pth", ctc_only=False) == without_decoder
    assert choice("valid.acc.ave_10best.pth", "valid.cer_ctc.best.pth") == (
        "valid.cer_ctc.best.pth"
    )
    assert choice("9epoch.pth", "10epoch.pth") == "10epoch.pth"
    assert choice("1epoch.pth", "latest.pth") == "latest.pth"
    assert choice("weights.pth") == "weights.pth"
    assert choice(cer, "latest.pth", name="latest.pth") == "latest.pth"
    with pytest.raises(UserError, match="no checkpoint 'no.pth'; it has .*latest.pth"):
        choose_checkpoint(tmp_path, "no.pth")
    with pytest.raises(UserError, match="no checkpoint"):
        choice("checkpoint.pth", "notes.txt")


def test_epochs_chosen_by_a_value_that_does_not_exist_are_warned_of(tmp_path, caplog):
    (tmp_path / "valid.acc.ave.pth").touch()
    assert choose_checkpoint(tmp_path, ctc_only=False).name == "valid.acc.ave.pth"
    assert not caplog.records
    assert choose_checkpoint(tmp_path).name == "valid.acc.ave.pth"
    (warning,) = caplog.messages
    assert "valid.acc.ave.pth: these epochs were chosen by acc, which" in warning


def test_our_encoder_is_built_once_it_is_registered(tmp_path, monkeypatch):
    host.register()
    tiny = build_tiny_asr(
        tmp_path, encoder=DUAL_MODE, encoder_conf=dict(cnn_module_kernel=7)
    )
    monkeypatch.delitem(encoder_choices.classes, DUAL_MODE)
    with pytest.raises(UserError, match=r"encoder dual_mode.*host\.register\(\)"):
        load_asr_model(tiny.config, tiny.checkpoint)
    # As every command does, before it knows whether it will build a model.
    register_later(host.register)
    assert DUAL_MODE not in encoder_choices.classes
    model, _ = load_asr_model(tiny.config, tiny.checkpoint)
    assert model.encoder.mode == "full"


@pytest.mark.parametrize(
    "part, package, command",
    [
        (dict(frontend="s3prl", frontend_conf={}), "s3prl", "s3prl transformers"),
        (
            dict(frontend="huggingface", frontend_conf={"model": "x"}),
            "transformers",
            "transformers",
        ),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(
    tiny_asr_model, tmp_path, monkeypatch, part, package, command
):
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**config, **part}))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"{path}: .*pip install {command}$"):
        load_asr_model(path, tiny_asr_model.checkpoint)
