"""Paths that options name: refused before anything starts, and before heavy imports."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.dualmode_checks import check_dualmode, complete_dualmode
from espnet_plugin.recipe.encrl_checks import check_encrl
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.lmprune_checks import check_lmprune

ROOT = Path(__file__).parents[2]


CONFIG = "encoder: conformer\nencoder_conf: {}\nctc_conf: {}\nmodel_conf: {}\n"
CONFIG += "token_type: char\n"
CONFIG += "token_list: [<blank>, <unk>, <sos/eos>]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe's folder with a model, a recipe of ESPnet, and files in wrong places."""
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    for name in ("model", "asr1/exp/asr_a", "asr1/dump/raw", "empty"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("model", "asr1/exp/asr_a"):
        (tmp_path / name / "config.yaml").write_text(CONFIG)
        (tmp_path / name / "valid.acc.ave.pth").touch()
    (tmp_path / "file").touch()
    (tmp_path / "no.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as pack:
        pack.writestr("meta.yaml", "{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(family, options):
    line = FAMILIES[family].read(options.split())
    if family == "encrl":
        check_encrl(complete(line.values))
    elif family == "dualmode":
        check_dualmode(complete_dualmode(line.values))
    else:
        check_lmprune(line.values)


WRONG = {
    "encrl": [
        ("--reference model/x", "does not exist"),
        ("--reference /nowhere/asr_x", "does not exist"),
        ("--reference ./typo", "does not exist"),
        ("--reference empty", "no config.yaml"),
        ("--reference file", "neither a folder nor a .zip"),
        ("--reference no.zip", "neither a folder nor a .zip"),
        ("--reference_model_file x.pth --reference model", "valid.acc.ave.pth"),
        ("--asr_recipe nowhere", "not a folder"),
        ("--recipe_exp asr_b --asr_recipe asr1", "asr1/exp/asr_b"),
        ("--recipe_dump dump/fbank --asr_recipe asr1", "asr1/dump/fbank"),
        ("--recipe_stats exp/s --asr_recipe asr1", "asr1/exp/s"),
        ("--recipe_token_list t.txt --asr_recipe asr1", "asr1/t.txt"),
        ("--dumpdir file/dump", "file is not a folder"),
        ("--expdir file", "file is not a folder"),
        ("--datadir file/a/b", "file is not a folder"),
        ("--plot_dir file", "file is not a folder"),
        ("--teacher_cache file/cache", "file is not a folder"),
        ("--teacher_cache true", "give auto (a folder in --expdir), a path"),
        ("--teacher_cache model", "other than stored outputs"),
        ("--reference_exp file", "file is not a folder"),
        ("--results empty", "is a folder"),
        ("--results_json file/r.json", "file is not a folder"),
        ("--encrl_config empty", "is a folder: name a file"),
        ("--encrl_config no.yaml", "is missing"),
        ("--finetune_config empty", "is a folder: name a file"),
        ("--nlsyms empty", "is a folder: name a file"),
    ],
    "dualmode": [
        ("--train_config no.yaml", "is missing"),
        ("--pretrain_config no.yaml --pretrain_set audio", "is missing"),
        ("--pretrained no.pth", "is missing"),
        ("--reference empty", "no config.yaml"),
        ("--row_dir empty", "empty/self_pruned_50.yaml is missing"),
        ("--teacher_cache file/cache", "file is not a folder"),
        ("--expdir file", "file is not a folder"),
    ],
    "lmprune": [
        ("--asr_exp empty", "no config.yaml"),
        ("--lm_config no.yaml --asr_exp model", "is missing"),
        ("--fine_tuning_config no.yaml --asr_exp model", "is missing"),
        ("--lm_train_text no.txt --asr_exp model", "is missing"),
        ("--dumpdir file/d --asr_exp model", "file is not a folder"),
    ],
}


@pytest.mark.parametrize(
    "family, options, fact", [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_it_is_refused_by_name(folder, family, options, fact):
    option = options.split()[0]
    with pytest.raises(UserError) as refused:
        check(family, options)
    said = str(refused.value)
    assert fact in said and "\n" not in said
    # rows are what is missing in row_dir
    assert option in said or option == "--row_dir"


@pytest.mark.parametrize(
    "family, options",
    [
        ("encrl", "--reference model"),
        ("encrl", "--reference good.zip"),
        ("encrl", "--reference espnet/some_model"),  # a name in the model zoo
        ("encrl", "--reference model --reference_model_file valid.acc.ave.pth"),
        ("encrl", "--asr_recipe asr1 --recipe_exp asr_a --recipe_dump dump/raw"),
        ("encrl", "--asr_recipe asr1 --recipe_exp exp/asr_a"),
        ("encrl", "--teacher_cache auto"),
        ("encrl", "--teacher_cache empty"),
        ("encrl", "--expdir new/deep/exp --results new/RESULTS.md"),
        # Nothing of stage 1 or 9 uses it.
        ("encrl", "--reference nowhere --stop_stage 1"),
        ("encrl", "--reference nowhere --stage 9"),
        ("dualmode", "--train_config no.yaml --stage 9"),
        ("dualmode", "--reference model --pretrained model/valid.acc.ave.pth"),
        ("lmprune", "--asr_exp model"),
    ],
)
def test_what_is_there_or_not_used_is_taken(folder, family, options):
    check(family, options)


@pytest.mark.parametrize(
    "command",
    [
        "import_reference --reference model/x --output_dir exp/asr_reference",
        "recipe encrl --reference model/x",
        "recipe dualmode --train_config no.yaml",
        "recipe lmprune --asr_exp empty",
    ],
)
def test_it_is_refused_before_espnet_and_torch_are_imported(folder, command):
    name, *words = command.split()
    script = (
        f"import sys; from espnet_plugin.bin.{name} import main\n"
        f"status = main({words!r})\n"
        "heavy = {'torch', 'espnet2'} & set(sys.modules)\n"
        "print(heavy or '', file=sys.stderr)\n"
        "sys.exit(9 if heavy else status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 2, done.stderr
    assert words[-1] in done.stderr or "model/x" in done.stderr
