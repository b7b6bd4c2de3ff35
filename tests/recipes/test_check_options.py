"""Wrong options of encrl.sh: refused before the first of the stages starts."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from this_python import write_path_sh

ROOT = Path(__file__).parents[2]
ENCRL = ["--stage", "5", "--stop_stage", "5"]


@pytest.fixture
def recipe(tmp_path):
    """A recipe whose data preparation and Python only note that they were called."""
    folder = tmp_path / "corpus/encrl1"
    setup = ROOT / "egs2/TEMPLATE/encrl1/setup.sh"
    subprocess.run([setup, folder], check=True, capture_output=True)
    write_path_sh(folder)
    for script in (folder / "local/data.sh", folder / "note"):
        script.write_text(
            "#!/bin/sh\n"
            # What it looks at is tested in tests/jobs/test_environment_checks.py.
            'case "$*" in *.check_environment*|*.check_options*) exit 0 ;; esac\n'
            'case "$*" in *.check_configs*) exit 0 ;; esac\n'
            'echo "$*" >> called.txt\necho model.pth\n'
        )
        script.chmod(0o755)
    return folder


def encrl(recipe, *options):
    return subprocess.run(
        ["./encrl.sh", "--python", "./note", *options],
        cwd=recipe,
        capture_output=True,
        text=True,
    )


def refused(recipe, message, *options):
    result = encrl(recipe, *options)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert not (recipe / "called.txt").exists()


def reference(folder, num_blocks):
    """What is read of a finished reference."""
    folder.mkdir(parents=True)
    conf = {"attention_heads": 2, "num_blocks": num_blocks, "output_size": 16}
    config = {"encoder": "conformer", "encoder_conf": conf, "seed": 7}
    config |= {"ctc_conf": {}, "model_conf": {}, "token_type": "char"}
    config["token_list"] = ["<blank>", "<unk>", "A", "<sos/eos>"]
    text = yaml.safe_dump(config)
    (folder / "config.yaml").write_text(text)
    (folder / "meta.json").write_text("{}")


@pytest.mark.parametrize(
    "message, options",
    [
        ("--sizes 6 0: must be numbers of layers from 1", ["--sizes", "6 0"]),
        (
            "--encrl_layers six: must be a whole number from 1",
            ["--encrl_layers", "six"],
        ),
        ("--encrl_layers 5: must be a number of layers, 6", ["--encrl_layers", "5"]),
        (
            "--student_init lastt: must be auto, random, first, last or spaced",
            ["--student_init", "lastt"],
        ),
        ("--family lastt: must be last, first, spaced or", ["--family", "lastt"]),
        ("clop must be one of clip frame_contrast", ["--objectives", "clip clop"]),
        ("; separate them by spaces", ["--objectives", "clip,mae"]),
        ("unknown option --sizes=4: write --sizes 4", ["--sizes=4"]),
        (
            "--freeze encoder.embed would keep random",
            ["--student_init", "random", "--freeze", "encoder.embed"],
        ),
        (
            "student_encoder in conf/encrl_whisper.yaml differs from the reference",
            ["--freeze", "encoder.embed", "--encrl_config", "conf/encrl_whisper.yaml"],
        ),
        ("--decoding beam: must be best_path or prefix", ["--decoding", "beam"]),
        ("--feats_type mfcc: must be raw or fbank", ["--feats_type", "mfcc"]),
        ("conf/baselines/scratsh.yaml is missing", ["--baselines", "scratch scratsh"]),
        ("there are ctc_kd early_exit", ["--baselines", "no"]),
        ("--baselines '': name one or more of", ["--baselines", ""]),
        ("--reference_config no.yaml is missing", ["--reference_config", "no.yaml"]),
        ("--encrl_config no.yaml is missing", ["--encrl_config", "no.yaml"]),
        ("--finetune_config no.yaml is missing", ["--finetune_config", "no.yaml"]),
        ("--baseline_training no.yaml is miss", ["--baseline_training", "no.yaml"]),
        ("--baseline_lr fast: must be a number above 0", ["--baseline_lr", "fast"]),
        ("--baseline_lr .: must be a number above 0", ["--baseline_lr", "."]),
        ("--reference_seed x: must be a whole number", ["--reference_seed", "x"]),
        (
            "--export_targets onnx tflite: tflite must be one of onnx",
            ["--stop_stage", "10", "--export_targets", "onnx tflite"],
        ),
        (
            "--export_models exp/none: has no config.yaml",
            ["--stop_stage", "10", "--export_models", "exp/none"],
        ),
    ],
)
def test_refused_before_stage_1(recipe, message, options):
    refused(recipe, message, *options)


@pytest.mark.parametrize(
    "options",
    [
        ["--encrl_config", "no.yaml"],
        ["--finetune_config", "no.yaml", "--baseline_training", "no.yaml"],
        ["--student_init", "lastt", "--objectives", "clop", "--family", "lastt"],
        ["--decoding", "beam", "--baselines", "scratsh"],
        ["--student_init", "random", "--freeze", "encoder.embed"],
        ["--sizes", "99"],
    ],
)
def test_what_no_stage_uses_is_not_looked_at(recipe, options):
    assert encrl(recipe, "--stop_stage", "1", *options).returncode == 0
    assert "--output_dir data" in (recipe / "called.txt").read_text()


def test_more_layers_than_the_reference_will_have(recipe):
    message = "--sizes 13 4 (--encrl_layers 13): the reference has 12 layers"
    refused(recipe, message, "--sizes", "13 4")  # conf/train_reference.yaml
    # An ESPnet experiment that is still to be imported.
    reference(recipe / "theirs", 5)
    refused(recipe, "has 5 layers (theirs/config.yaml)", "--reference", "theirs")
    # The one that is there.
    reference(recipe / "exp/asr_reference", 3)
    refused(recipe, "has 3 layers (exp/asr_reference/config.yaml)", "--sizes", "4")
    assert "stage 3 first" in encrl(recipe, *ENCRL, "--sizes", "3").stderr


@pytest.mark.parametrize(
    "option", ["--student_encoder e_branchformer", "--student_layers 0 0 1 1"]
)
@pytest.mark.parametrize("by_config", [False, True])
def test_students_of_another_kind_may_have_more(recipe, option, by_config):
    reference(recipe / "exp/asr_reference", 3)
    more = ["--encrl_args", option]
    if by_config:
        name, value = option.lstrip("-").split(maxsplit=1)
        (recipe / "other.yaml").write_text(f"{name}: {value}\n")
        more = ["--encrl_config", "other.yaml"]
    assert "run stage 3 first" in encrl(recipe, *ENCRL, "--sizes", "4", *more).stderr
    # Other options of the student's encoder change nothing of that.
    same = ["--encrl_args", "--student_encoder_conf input_layer=conv2d6"]
    refused(recipe, "has 3 layers", *ENCRL, "--sizes", "4", *same)


def test_chosen_layers_may_be_frozen(recipe):
    frozen = ["--freeze", "encoder.embed"]
    more = ["--student_init", "random", "--encrl_args", "--student_layers 0 2"]
    assert "run stage 3 first" in encrl(recipe, *ENCRL, *frozen, *more).stderr
    # By default layers are copied.
    assert "run stage 3 first" in encrl(recipe, *ENCRL, *frozen).stderr


def test_options_that_are_asked_for(recipe):
    asked = ["--print_option", "finetune"]
    assert encrl(recipe, *asked).stdout == "each\n"
    more = ["--finetune", "together", "--family", "first"]
    assert encrl(recipe, *asked, *more).stdout == "together\n"
    refused(recipe, "--print_option fine: is not an option", "--print_option", "fine")
    assert not (recipe / "called.txt").exists()


def test_choices_are_those_of_the_python_side(recipe):
    from espnet_plugin.distill.objectives import OBJECTIVES
    from espnet_plugin.export.target_names import TARGETS

    asked = ["--dry_run", "true", "--objectives", "no"]
    said = encrl(recipe, *asked).stderr.strip().rpartition("must be one of ")[2]
    assert said.split() == list(OBJECTIVES)
    asked = ["--dry_run", "true", "--stop_stage", "10", "--export_targets", ""]
    said = encrl(recipe, *asked).stderr.strip().rpartition("must be one or more of ")[2]
    assert said.split() == list(TARGETS)


@pytest.mark.parametrize("stage", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_stages_that_use_a_reference_make_sure_of_it(recipe, stage):
    reference(recipe / "theirs", 6)
    number = ["--stage", f"{stage}", "--stop_stage", f"{stage}"]
    encrl(recipe, *number, "--reference", "theirs")
    called = recipe / "called.txt"
    lines = called.read_text().splitlines() if called.exists() else []
    imports = [line for line in lines if "espnet_plugin.bin.import_reference" in line]
    assert len(imports) == (stage in (2, 4, 5, 6, 7, 8))
    assert all("--reference theirs --output_dir exp/asr_refer" in x for x in imports)


def test_more_layers_than_a_packed_reference_has(recipe):
    """What is in a zip is seen once it is imported, before stage 2."""
    (recipe / "note").write_text(
        "#!/bin/sh\nmkdir -p exp/asr_reference\n"
        "printf 'encoder_conf:\\n  num_blocks: 5\\n' > exp/asr_reference/config.yaml\n"
    )
    with zipfile.ZipFile(recipe / "their.zip", "w") as pack:
        pack.writestr("config.yaml", "{}")
    result = encrl(recipe, "--stage", "2", "--reference", "their.zip")
    assert result.returncode == 2
    assert "has 5 layers (exp/asr_reference/config.yaml)" in result.stderr


@pytest.mark.parametrize(
    "message, options",
    [
        ("--shape_init narrow: must be auto, ran", ["--shape_init", "narrow"]),
        ("--sizes 4 2 4: 4 is given twice", ["--sizes", "4 2 4"]),
        ("--sizes 4 4x: must be numbers of layers from 1, or", ["--sizes", "4 4x"]),
    ],
)
def test_wrong_sizes_and_starts_of_shapes(recipe, message, options):
    refused(recipe, message, *options)


@pytest.fixture
def budgeted(recipe):
    """A recipe at stage 5, whose Python chooses sizes without trying any."""
    entries = [
        {"budget": b, "chosen": c, "by": "loss on dev", "tried": [], "candidates": [c]}
        for b, c in (("1.5M", "4x72"), ("900k", "3"), ("70MMAC/s", "2x48"))
    ]
    chosen = {"trials": 4, "trial_epochs": 1, "budgets": entries}
    (recipe / "chosen.json").write_text(json.dumps(chosen))
    (recipe / "note").write_text(
        "#!/bin/sh\n"
        'case "$*" in *.check_environment*|*.check_configs*) exit 0 ;; esac\n'
        'echo "$*" >> called.txt\n'
        'case "$*" in *encrl_train*|*try_shapes*) o=${*#*--output_dir } && o=${o%% *} '
        '&& mkdir -p "$o" && touch "$o/done.json" ;; esac\n'
        'case "$*" in *try_shapes*) cp chosen.json "$o/shapes.json" ;; esac\n'
    )
    reference(recipe / "exp/asr_reference", 6)
    (recipe / "exp/asr_stats_raw_char/train").mkdir(parents=True)
    (recipe / "exp/asr_stats_raw_char/.done").touch()
    (recipe / "exp/asr_stats_raw_char/train/speech_shape").touch()
    return recipe


def test_the_smallest_size_of_a_budget_is_trained_further(budgeted):
    """The smallest of those that stage 5 has chosen."""
    options = ["--budget", "1.5M 900k 70MMAC/s", "--trials", "4", "--family", "nested"]
    options += ["--finetune_epochs", "0", "--finetune_alone", "smallest:5"]
    result = encrl(budgeted, "--stage", "5", "--stop_stage", "6", *options)
    assert result.returncode == 0, result.stderr
    lines = (budgeted / "called.txt").read_text().splitlines()
    further = [line for line in lines if "--sizes 2x48" in line]
    assert len(further) == 1 and "--max_epoch 5" in further[0]
    dry = encrl(budgeted, "--dry_run", "true", "--tag", "other", *options)
    assert dry.returncode == 0, dry.stderr


def test_a_budget_decides_the_sizes_of_all_stages(budgeted):
    budget = ["--budget", "1.5M 900k 70MMAC/s", "--trials", "4", "--family", "nested"]
    # What the recipe says of its own sizes does not matter then.
    budget += ["--alone", "2", "--finetune_alone", "2:4", "--finetune", "together"]
    result = encrl(budgeted, "--stage", "5", "--stop_stage", "6", *budget)
    assert result.returncode == 0, result.stderr
    assert "1.5M: 4x72, by the loss on dev" in result.stderr
    lines = (budgeted / "called.txt").read_text().splitlines()
    kinds = [line.split()[1].removeprefix("espnet_plugin.bin.") for line in lines]
    assert kinds == ["try_shapes", *["encrl_train"] * 3, *["train_models"] * 3]
    assert "--output_dir exp/shapes_encrl_s1 " in lines[0]
    assert "--budget 1.5M 900k 70MMAC/s --trials 4 --trial_epochs 1" in lines[0]
    trained = {
        line.split("--output_dir ")[1].split()[0]: line.split("--serves ")[1]
        for line in lines[1:4]
    }
    assert list(trained) == [
        "exp/encrl_encrl_s1_4x72l",
        "exp/encrl_encrl_s1_2x48l",
        "exp/encrl_encrl_s1",
    ]
    # The one with the reference's width has the student's usual options.
    assert "--student_num_layers 3 " in trained["exp/encrl_encrl_s1"]
    for name in list(trained)[:2]:
        assert "--student_num_layers" not in trained[name]
        assert "--shape_init auto" in trained[name]
    sizes = [line.split("--sizes ")[1].split(" --")[0] for line in lines[4:]]
    assert sizes == ["3", "4x72", "2x48"]
    # A later stage reads what was chosen.
    (budgeted / "called.txt").unlink()
    encrl(budgeted, "--stage", "8", "--stop_stage", "8", *budget)
    (line,) = (budgeted / "called.txt").read_text().splitlines()
    assert ".baselines " in line and "--sizes 4x72 3 2x48 " in line
    # But not for another budget, nor before stage 5 has chosen.
    later = ["--stage", "6", "--stop_stage", "6", "--trials", "4"]
    other = encrl(budgeted, *later, "--budget", "1.5M")
    assert other.returncode == 2
    assert "made with --budget 1.5M 900k 70MMAC/s, not 1.5M" in other.stderr
    other = encrl(budgeted, *later, *budget, "--tag", "new")
    assert other.returncode == 2 and "run that first (--stage 5)" in other.stderr


@pytest.mark.parametrize(
    "message, options",
    [
        (
            "--budget small: 'small': must be a number of parameters, e.g",
            ["--budget", "small"],
        ),
        ("--budget 1M 0: '0': must be a number of parameters", ["--budget", "1M 0"]),
        ("--budget 1M 1000k: 1M is given twice", ["--budget", "1M 1000k"]),
        ("--trials 0: must be a whole number from 1", ["--trials", "0"]),
        ("--trial_epochs x: must be a whole number from 1", ["--trial_epochs", "x"]),
        ("--budget 1M: trials run on one", ["--budget", "1M", "--num_nodes", "2"]),
        (
            "--budget 1M: operations of models that take features",
            ["--budget", "1M", "--feats_type", "fbank"],
        ),
    ],
)
def test_wrong_budgets(recipe, message, options):
    refused(recipe, message, *options)


def test_missing_data_is_named_before_slow_checks(recipe):
    (recipe / "note").write_text('#!/bin/sh\necho "$*" >> started.txt\n')
    started = recipe / "started.txt"
    for stage, needed in (("5", "3"), ("3", "2")):
        result = encrl(recipe, "--stage", stage, "--stop_stage", "5")
        assert result.returncode == 2
        assert f"run stage {needed} first" in result.stderr
        assert not started.exists()
    # If this call writes the missing files, the configurations are checked.
    encrl(recipe, "--stop_stage", "5")
    assert "check_configs" in started.read_text()


def test_missing_inputs_are_named_before_slow_checks_with_a_budget(recipe):
    (recipe / "note").write_text('#!/bin/sh\necho "$*" >> started.txt\n')
    result = encrl(recipe, *ENCRL, "--budget", "1.5M")
    assert result.returncode == 2
    assert "exp/asr_stats_raw_char/.done is missing: run stage 3" in result.stderr
    assert not (recipe / "started.txt").exists()


@pytest.mark.parametrize("imported", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        ["--train_set", "data/train"],
        ["--valid_set", "train_dev"],
        ["--test_sets", "test train_tset"],
        ["--unlabelled_sets", "test audio"],
    ],
)
def test_a_missing_set_is_named_with_its_option(recipe, options, imported):
    """And before any slow check starts."""
    (recipe / "note").write_text('#!/bin/sh\necho "$*" >> started.txt\n')
    for name in ("train", "dev", "test"):
        (recipe / "data" / name).mkdir(parents=True)
        (recipe / "data" / name / "wav.scp").touch()
    if imported:
        reference(recipe / "theirs", 12)
        options = [*options, "--reference", "theirs"]
    result = encrl(recipe, "--stage", "2", "--stop_stage", "5", *options)
    assert result.returncode == 2
    missing = options[1].split()[-1]
    said = f"{options[0]} {options[1]}: data/{missing} is missing (data has dev, test, "
    assert f"{said}train): name sets that are there" in result.stderr
    assert not (recipe / "started.txt").exists()


def test_the_machine_is_looked_at_before_slow_checks(recipe):
    (recipe / "note").write_text('#!/bin/sh\necho "$*" >> started.txt\n')
    encrl(recipe, "--stop_stage", "4", "--ngpu", "2")
    lines = (recipe / "started.txt").read_text().splitlines()
    called = [line.split("espnet_plugin.bin.")[1].split()[0] for line in lines]
    assert called[:2] == ["check_environment", "check_configs"]
    assert "--ngpu 2 " in lines[0]


def test_an_imported_reference_has_to_be_named_each_time(recipe):
    reference(recipe / "exp/asr_reference", 12)
    (recipe / "exp/asr_reference/meta.json").write_text('{"source": "../theirs/exp"}')
    said = encrl(recipe, *ENCRL).stderr
    assert "exp/asr_reference was imported" in said
    assert "--reference ../theirs/exp" in said and "run stage 3 first" in said
