"""Misspelt keys of training configurations are named before the first stage."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe import config_keys
from espnet_plugin.recipe.encrl_checks import check_encrl
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.yaml_files import read_yaml, write_yaml

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "egs2/mini_synth/encrl1/conf"


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """The configurations of a recipe, in its folder."""
    shutil.copytree(RECIPE, tmp_path / "conf")  # most are links
    monkeypatch.chdir(tmp_path)
    return tmp_path / "conf"


def check(*options):
    check_encrl(complete(FAMILIES["encrl"].read(list(options)).values))


def change(path, **changes):
    write_yaml(path, {**read_yaml(path), **changes})


BASELINE = ("--baselines", "layer_copy_first")


@pytest.mark.parametrize(
    "file, changes, options, said",
    [
        ("train_reference", {"frontend_cnf": {}}, (), "frontend_cnf; .*frontend_conf?"),
        ("train_reference", {"whole_new": 1}, (), "whole_new: remove it"),
        ("train_encrl", {"optim_cnof": {}}, (), "optim_cnof; did you mean optim_conf?"),
        ("train_encrl", {"student_int": "last"}, (), "did you mean student_init?"),
        ("finetune_ctc", {"max_epochs": 3}, (), "did you mean max_epoch?"),
        ("finetune_ctc", {"student_init": "last"}, (), "no option student_init"),
        ("finetune_ctc", {"acum_grad": 1}, BASELINE, "did you mean accum_grad?"),
        ("baselines/layer_copy_first", {"training_conf": {"freeze_parm": ["a"]}},
         BASELINE, "training_conf of .*did you mean freeze_param?"),
        ("train_ctc", {"keep_nbest_model": 1},
         (*BASELINE, "--baseline_training", "conf/train_ctc.yaml"),
         "--baseline_training .*did you mean keep_nbest_models?"),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named(conf, file, changes, options, said):
    check(*options)
    change(conf / f"{file}.yaml", **changes)
    with pytest.raises(UserError, match=said.replace("?", r"\?")) as caught:
        check(*options)
    assert Path(file).name in str(caught.value)


def test_an_option_of_a_later_espnet_is_not_refused(tmp_path, monkeypatch):
    path = tmp_path / "espnet2/tasks/asr.py"
    path.parent.mkdir(parents=True)
    path.write_text('add("--new_option")\nChoices(\n    name="part",\n)\n')

    class Spec:
        submodule_search_locations = [str(tmp_path / "espnet2")]

    monkeypatch.setattr(config_keys, "find_spec", lambda name: Spec)
    known = {"new_option": 1, "part": "a", "part_conf": {}}
    config_keys.check_keys("a.yaml", "--config", content=known)
    with pytest.raises(UserError, match="no option new"):
        config_keys.check_keys("a.yaml", "--config", content={"new": 1})


@pytest.mark.slow
def test_the_keys_are_those_of_the_parsers():
    from espnet_plugin.tasks.asr import CountedASRTask
    from espnet_plugin.tasks.dual_mode import DualModeASRTask
    from espnet_plugin.tasks.encrl import EncRLTask
    from espnet_plugin.tasks.pruned import PrunedASRTask

    for keys, task in (
        (config_keys.ASR, CountedASRTask),
        (config_keys.ENCRL, EncRLTask),
        (config_keys.DUAL_MODE, DualModeASRTask),
        (config_keys.PRUNED, PrunedASRTask),
    ):
        assert keys == {one.dest for one in task.get_parser()._actions} - {"help"}


def test_every_committed_configuration_is_accepted():
    code = "import sys, espnet_plugin.recipe.config_keys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"torch", "espnet2"} & set(done.stdout.split())
    keys = config_keys.ENCRL | config_keys.DUAL_MODE | {"lm", "lm_conf"}
    keys |= {"loss", "util", "collate_fn_conf"}
    checked = 0
    for path in [*ROOT.glob("conf/**/*.yaml"), *ROOT.glob("egs2/*/*/conf/**/*.yaml")]:
        content = read_yaml(path)
        if "method" in content:
            config_keys.check_baseline_keys(path)
        elif "max_epoch" in content or "optim" in content:
            config_keys.check_keys(str(path), "--config", keys)
            checked += 1
    assert checked > 20
