"""run.sh of the recipes for public corpora: their options, and the dry run's."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from this_python import write_path_sh

from espnet_plugin.bin import estimate, prepare_librispeech, prepare_tedlium

ROOT = Path(__file__).parents[2]
RECIPES = ["librispeech_100", "librispeech", "tedlium2", "tedlium3"]
DRY_RUN = ("--dry_run", "true", "--python", "bin/python3")
FILES = ("encrl.sh", "cmd.sh", "db.sh", "conf", "local")


def make_recipe(folder, name):
    """A copy whose Python only notes how it was called."""
    source = ROOT / "egs2" / name / "encrl1"
    for path in (*source.glob("run*.sh"), *(source / file for file in FILES)):
        (folder / path.name).symlink_to(path.resolve())
    write_path_sh(folder)
    (folder / "bin").mkdir()
    python = folder / "bin/python3"
    python.write_text("#!/usr/bin/env bash\nprintf '%s\\0' \"$@\" > call\n")
    python.chmod(0o755)
    return folder


def call(folder, *cmd):
    done = subprocess.run(cmd, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = (folder / "call").read_text().split("\0")[:-1]
    return words[1], words[2:]


@pytest.mark.parametrize("name", RECIPES)
def test_dry_run(tmp_path, name):
    recipe = make_recipe(tmp_path, name)
    before = sorted(path.name for path in recipe.iterdir())
    module, words = call(recipe, "./run.sh", *DRY_RUN, "--stage", "5")
    assert module == "espnet_plugin.bin.estimate"
    assert sorted(path.name for path in recipe.iterdir()) == sorted([*before, "call"])
    args = estimate.get_parser().parse_args(words)
    assert (args.stage, args.stop_stage) == (5, 9)
    assert args.corpus_hours > 90 and args.speed_perturb_factors == [0.9, 1.0, 1.1]
    # Utterances of talks are cut out of them, before data/ is there to tell.
    assert (args.segmented == "true") == name.startswith("tedlium")
    assert args.reference is None and args.teacher_cache is None
    assert list(map(str, args.sizes)) == ["6", "4", "2"] and args.baselines == [
        "scratch"
    ]
    for option in ("reference_config", "encrl_config", "finetune_config"):
        assert (recipe / getattr(args, option)).is_file(), option
    assert (recipe / args.baseline_training).is_file()


@pytest.mark.parametrize("name", ["librispeech", "tedlium3"])
def test_dry_run_of_the_papers_setting(tmp_path, name):
    recipe = make_recipe(tmp_path, name)
    _, words = call(recipe, "./run_paper.sh", *DRY_RUN)
    args = estimate.get_parser().parse_args(words)
    assert args.speed_perturb_factors == [] and args.nbpe == 256
    # 100 epochs of EncRL, 50 of fine-tuning, 150 from scratch: those of the files.
    assert args.encrl_epochs is args.finetune_epochs is args.baseline_epochs is None
    epochs = [
        yaml.safe_load((recipe / path).read_text())["max_epoch"]
        for path in (args.encrl_config, args.finetune_config, args.baseline_training)
    ]
    assert epochs == [100, 50, 150]


@pytest.mark.parametrize("name", RECIPES)
def test_data_sh_hands_its_options_on(tmp_path, name):
    recipe = make_recipe(tmp_path, name)
    (recipe / "path.sh").write_text("export PATH=$PWD/bin:$PATH\n")
    option = "--tedlium" if name.startswith("tedlium") else "--librispeech"
    module, words = call(
        recipe, "local/data.sh", option, "/corpora", "--output_dir", "x"
    )
    if option == "--tedlium":
        args = prepare_tedlium.get_parser().parse_args(words)
        assert args.tedlium == Path("/corpora") and args.release == int(name[-1])
    else:
        args = prepare_librispeech.get_parser().parse_args(words)
        assert args.librispeech == Path("/corpora")
        sets = {spec.split("=")[0] for spec in args.sets}
        train = {"librispeech": "train_960", "librispeech_100": "train_clean_100"}[name]
        run = (recipe / "run.sh").read_text()
        assert train in sets and f"--train_set {train}" in run
        assert {"dev", "test_clean", "test_other", "dev_clean", "dev_other"} <= sets
    assert module.endswith(f"prepare_{option[2:]}") and args.output_dir == Path("x")


def test_imports_of_the_preparations_are_quick():
    """Stage 1 must not wait for ESPnet's tasks to be imported."""
    code = (
        "import sys; import espnet_plugin.bin.prepare_librispeech; "
        "import espnet_plugin.bin.prepare_tedlium; "
        "sys.exit('espnet2.tasks' in sys.modules or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_every_recipe_has_its_own_settings_and_can_run_jobs():
    for folder in ROOT.glob("egs2/*/*1"):
        if folder.parent.name == "TEMPLATE":
            continue
        for name in ("cmd.sh", "db.sh"):
            # A link would let who edits it edit the settings of every recipe.
            assert not (folder / name).is_symlink(), folder / name
        if folder.name == "encrl1":
            assert (folder / "jobs.sh").resolve().is_file(), folder
