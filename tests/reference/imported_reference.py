"""An ESPnet experiment to import, changes to it, and what an import must leave."""

import os
from pathlib import Path

import pytest
import torch
import yaml
from espnet2.main_funcs.pack_funcs import pack
from espnet2.tasks.asr import ASRTask

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.reference.importing import import_reference

NAME = "valid.cer_ctc.ave.pth"


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def edit(folder, **changes):
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        if isinstance(value, dict):
            config[key].update(value)
        else:
            config[key] = value
    path.write_text(yaml.safe_dump(config))


def edit_state(folder, change):
    state = torch.load(folder / NAME, weights_only=True)
    change(state)
    torch.save(state, folder / NAME)


def packed(experiment, monkeypatch, outpath):
    """Pack as a user does, from the recipe's folder."""
    with monkeypatch.context() as context:
        context.chdir(experiment.parents[1])
        pack(
            files={"asr_model_file": f"exp/asr_big/{NAME}"},
            yaml_files={"asr_train_config": "exp/asr_big/config.yaml"},
            option=["exp/stats/feats_stats.npz"],
            outpath=outpath,
        )
    return outpath


def assert_complete(folder, tiny):
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        NAME,
        "feats_stats.npz",
        "tokens.txt",
        "meta.json",
    }
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["normalize_conf"]["stats_file"] == f"{folder}/feats_stats.npz"
    assert config["token_list"] == tiny.token_list
    assert (folder / "tokens.txt").read_text().splitlines() == tiny.token_list
    meta = read_json(folder / "meta.json")
    model, _ = ASRTask.build_model_from_file(folder / "config.yaml", folder / NAME)
    assert meta["method"] == "reference" and meta["layers"] == 3
    assert meta["params"] == sum(item.numel() for item in model.parameters())
    state = torch.load(tiny.checkpoint, weights_only=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key


def assert_refused(reference, message, output_dir="exp/asr_reference", **options):
    with pytest.raises(UserError, match=message):
        import_reference(reference, output_dir, **options)
    assert not Path(output_dir).exists()
    # Nothing half done is left either.
    assert not list(Path("exp").glob("*")) and not list(Path("exp").glob(".*"))
