"""Which checkpoint a training of a plain model leaves, known before it begins."""

from pathlib import Path

import pytest
import yaml
from tiny_asr import data_options

from espnet_plugin.bin import train_models
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json
from espnet_plugin.jobs.plain import averaged_file, train_plain_model


@pytest.mark.parametrize(
    "criteria, name",
    [
        (None, "valid.cer_ctc.ave.pth"),
        ([["valid", "acc", "max"]], "valid.acc.ave.pth"),
        (
            [
                ["train", "loss", "min"],
                ["valid", "acc", "max"],
                ["valid", "cer", "min"],
            ],
            "valid.acc.ave.pth",
        ),
        (
            [["valid", "loss", "min"], ["valid", "cer_ctc", "min"]],
            "valid.cer_ctc.ave.pth",
        ),
    ],
)
def test_the_criterion_names_it(criteria, name):
    config = {"best_model_criterion": criteria}
    assert averaged_file(Path("exp"), config) == Path("exp") / name


def test_epochs_must_be_chosen_on_dev(tmp_path):
    conf = {"best_model_criterion": [["train", "loss", "min"]]}
    with pytest.raises(UserError, match="best_model_criterion .* dev set"):
        train_plain_model(tmp_path / "exp", conf, [], Meta())
    assert not (tmp_path / "exp").exists()


def test_a_reference_needs_a_ctc_layer(tmp_path, capsys, caplog):
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump({"model_conf": {"ctc_weight": 0.0}}))
    cmd = ["--kind", "reference", "--config", str(path), "--output", f"{tmp_path}/exp"]
    assert train_models.main(cmd) == 2
    assert "ctc_weight" in caplog.text + capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


@pytest.mark.slow
@pytest.mark.parametrize("criteria", [None, [["valid", "loss", "min"]]])
def test_a_configuration_without_cer_ctc_leaves_a_model(
    tiny_hybrid_model, tmp_path, criteria
):
    """A hybrid model's own configuration often chooses by something else."""
    config = yaml.safe_load(tiny_hybrid_model.config.read_text())
    keep = (
        *("token_list", "token_type", "frontend", "frontend_conf", "encoder"),
        *("encoder_conf", "decoder", "decoder_conf", "model_conf", "normalize"),
        "normalize_conf",
    )
    config = {name: config[name] for name in keep if name in config}
    config.update(batch_type="sorted", batch_size=2, max_epoch=2, num_workers=0)
    config.update(use_matplotlib=False, use_tensorboard=False)
    if criteria is not None:
        config["best_model_criterion"] = criteria
    options = data_options(tiny_hybrid_model.data_dir)
    folder = tmp_path / "exp"
    meta = Meta(method="reference", seed=1)
    train_plain_model(folder, config, options, meta)
    name = read_json(folder / "meta.json")["checkpoint"]
    assert folder / name == averaged_file(folder, config)
    load_asr_model(folder / "config.yaml", folder / name)
