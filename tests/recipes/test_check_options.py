"""Wrong options of encrl.sh: refused before the first of the stages starts."""

import subprocess
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
            'case "$*" in *.check_environment*) exit 0 ;; esac\n'
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
    text = yaml.safe_dump({"encoder": "conformer", "encoder_conf": conf, "seed": 7})
    (folder / "config.yaml").write_text(text)
    (folder / "meta.json").write_text("{}")


@pytest.mark.parametrize(
    "message, options",
    [
        ("--sizes 6 0: numbers of layers from 1", ["--sizes", "6 0"]),
        ("--encrl_layers six: a whole number from 1", ["--encrl_layers", "six"]),
        ("--encrl_layers 5: must be a number of layers, 6", ["--encrl_layers", "5"]),
        (
            "--student_init lastt: must be random, first, last or spaced",
            ["--student_init", "lastt"],
        ),
        ("--family lastt: must be last, first, spaced or", ["--family", "lastt"]),
        ("clop must be one of clip frame_contrast", ["--objectives", "clip clop"]),
        ("--freeze encoder.embed would keep random", ["--freeze", "encoder.embed"]),
        ("--decoding beam: must be best_path or prefix", ["--decoding", "beam"]),
        ("--feats_type mfcc: must be raw or fbank", ["--feats_type", "mfcc"]),
        ("conf/baselines/scratsh.yaml is missing", ["--baselines", "scratch scratsh"]),
        ("there are ctc_kd early_exit", ["--baselines", "no"]),
        ("--baselines '': name some of", ["--baselines", ""]),
        ("--reference_config no.yaml is missing", ["--reference_config", "no.yaml"]),
        ("--encrl_config no.yaml is missing", ["--encrl_config", "no.yaml"]),
        ("--finetune_config no.yaml is missing", ["--finetune_config", "no.yaml"]),
        ("--baseline_training no.yaml is miss", ["--baseline_training", "no.yaml"]),
        ("--baseline_lr fast: a number above 0, e.g.", ["--baseline_lr", "fast"]),
        ("--baseline_lr .: a number above 0, e.g.", ["--baseline_lr", "."]),
        ("--reference_seed x: a whole number", ["--reference_seed", "x"]),
        (
            "--export_targets onnx tflite: tflite must be one of onnx",
            ["--stop_stage", "10", "--export_targets", "onnx tflite"],
        ),
        (
            "--export_models exp/none: it has no config.yaml",
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
        ["--freeze", "encoder.embed"],
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
    more = ["--freeze", "encoder.embed", "--encrl_args", "--student_layers 0 2"]
    assert "run stage 3 first" in encrl(recipe, *ENCRL, *more).stderr


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
    said = encrl(recipe, *asked).stderr.strip().rpartition("name some of ")[2]
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
    result = encrl(recipe, "--stage", "2", "--reference", "their.zip")
    assert result.returncode == 2
    assert "has 5 layers (exp/asr_reference/config.yaml)" in result.stderr


@pytest.mark.parametrize(
    "message, options",
    [
        ("--shape_init narrow: must be auto, ran", ["--shape_init", "narrow"]),
        ("--sizes 4 2 4: 4 is named twice", ["--sizes", "4 2 4"]),
        ("--sizes 4 4x: numbers of layers from 1, or", ["--sizes", "4 4x"]),
    ],
)
def test_wrong_sizes_and_starts_of_shapes(recipe, message, options):
    refused(recipe, message, *options)
