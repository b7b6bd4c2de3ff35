"""A recipe's command line: what is said of options that do not exist."""

import ast
import re
from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.command_line import HelpWanted
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions


@pytest.mark.parametrize(
    "given, meant",
    [
        ("--student_inti", "--student_init?"),
        ("--stag", "--stage?"),
        ("--test-set", "--test_sets?"),
        ("--zzz", None),
    ],
)
def test_a_typo_names_what_was_meant(given, meant):
    with pytest.raises(UserError) as refused:
        FAMILIES["encrl"].read([given, "1"])
    said = str(refused.value)
    assert given in said and "--help" in said
    assert ("did you mean" in said) == (meant is not None)
    assert meant is None or meant in said


def refused(*given, family="encrl"):
    with pytest.raises(UserError) as error:
        FAMILIES[family].read(given)
    return str(error.value)


ASR_SH = {
    "asr_config": "--reference_config",
    "asr_args": "--encrl_args",
    "asr_tag": "--tag",
    "inference_nj": "--decode_nj",
    "gpu_inference": "--ngpu 1",
    "inference_asr_model": "--reference_model_file",
    "inference_config": "--decoding",
    "use_lm": "--decoding",
    "bpemode": "--nbpe",
    "bpe_train_text": "--train_set",
    "nlsyms_txt": "--nlsyms",
    "lang": "--token_type",
    "skip_train": "--stop_stage",
    "download_model": "--reference",
    "config": "--encrl_config",
    "batch_bins": "--finetune_config",
    "max_epoch": "--finetune_config",
    "resume": "--stage",
}


@pytest.mark.parametrize("name", ASR_SH)
def test_what_does_the_same_as_an_option_of_asr_sh(name):
    said = refused(f"--{name}", "1")
    assert f"unknown option --{name}, but of ESPnet's asr.sh: " in said
    assert f"{ASR_SH[name]}" in said and "did you mean" not in said


def test_only_options_that_a_recipe_has_are_named():
    for family, declared in (
        ("lmprune", LmpruneOptions),
        ("dualmode", DualmodeOptions),
    ):
        known = {one.name for one in options_of(declared)}
        for name in set(ASR_SH) - known:
            said = refused(f"--{name}", "1", family=family).partition("(see ")[0]
            named = re.findall(r"--(\w+)", said.partition(f"--{name}")[2])
            assert set(named) <= known, said


@pytest.mark.parametrize(
    "given, said",
    [
        (("--test_sets", "test", "other"), '--test_sets "test other"'),
        (("--sizes", "6", "4", "2"), '--sizes "6 4 2"'),
        (("--sizes", "6", "4", "2", "--nj", "4"), '--sizes "6 4 2" (see'),
        (("--fs", "16000", "other"), "other is not an option (see"),
        (("-stage", "3"), "did you mean --stage?"),
        (("--fs", "16k"), "--fs 16k: must be a whole number from 1: write 16000"),
        (("--nbpe", "5K"), "write 5000"),
        (("--seed", "9999999k"), "from 0 to 4294967295"),
        (("--test_sets", "test,other"), 'separated by spaces: "test other"'),
        (
            ("--freeze", "encoder.embed,ctc"),
            "--freeze encoder.embed,ctc: several values",
        ),
        (("--finetune_alone", "2:5,4:1"), 'are separated by spaces: "2:5 4:1"'),
        (("--budget", "1.5M, 0.6M"), 'are separated by spaces: "1.5M 0.6M"'),
        (
            ("--speed_perturb_factors", "0.9,1.0,1.1"),
            'several values are separated by spaces: "0.9 1.0 1.1"',
        ),
        (("--valid_set", "dev,test"), "dev,test is not the name of a set"),
        (("--expdir", "~/exp"), "~ is not replaced inside quotes"),
        (("--dumpdir", "s3://bucket/dump"), "is an address"),
    ],
)
def test_values_as_other_programs_take_them(given, said):
    assert said in refused(*given)


def test_a_slash_after_the_name_of_a_set():
    given = ["--test_sets", "test/ en/other/", "--valid_set", "dev/"]
    values = FAMILIES["encrl"].read(given).values
    assert (values.test_sets, values.valid_set) == (("test", "en/other"), "dev")


def test_an_option_is_not_the_value_of_the_one_before_it():
    with pytest.raises(UserError, match="--variant needs a value: TEXT"):
        FAMILIES["encrl"].read(["--variant", "--seed", "3"])
    # Options that are passed on begin like this, too.
    words = ["--encrl_args", "--seed 3 --x y", "--finetune_args", "--log_level"]
    assert FAMILIES["encrl"].read(words).values.encrl_args[0] == "--seed"


def shown_defaults(text):
    """What a help says of each option's default; None: nothing."""
    found = {}
    for entry in re.split(r"^  --", text, flags=re.MULTILINE)[1:]:
        words = " ".join(entry.split())
        default = re.search(r"default: (.*)\)$", words)
        found[words.split()[0]] = default and default[1]
    return found


def test_help_shows_what_run_sh_sets():
    given = ["--nbpe", "150", "--test-sets", "a b", "--no_such", "1", "--nj", "8"]
    given += ["--token_type", "", "--help", "--stage", "3"]
    family = FAMILIES["encrl"]
    with pytest.raises(HelpWanted) as wanted:
        family.read(given)
    assert "--no_such" in str(wanted.value.mistake)
    own = shown_defaults(family.help(wanted.value.defaults))
    general = shown_defaults(family.help())
    changed = {name for name in own if own[name] != general[name]}
    assert changed == {"nbpe", "test_sets", "nj", "token_type"}
    assert (own["nbpe"], own["test_sets"], own["nj"]) == ("150", "a b", "8")
    assert own["token_type"] == "none" and general["token_type"] == "char"
    assert "of this recipe" in family.help(wanted.value.defaults)
    assert "of this recipe" not in family.help()


def test_help_of_a_right_command_line_has_no_mistake():
    with pytest.raises(HelpWanted) as wanted:
        FAMILIES["dualmode"].read(["--rivals", "full_alone", "-h"])
    assert wanted.value.mistake is None
    assert wanted.value.defaults == {"baselines": "full_alone"}


INNER = re.compile(r"\b(encrl|dualmode|lmprune|recipe)\.sh\b")


def test_an_option_of_other_recipes_is_known():
    with pytest.raises(UserError, match="--sizes: only recipes of encrl.sh have this"):
        FAMILIES["dualmode"].read(["--sizes", "2"])
    with pytest.raises(UserError, match="encrl.sh and dualmode.sh"):
        FAMILIES["lmprune"].read(["--teacher_cache", "x"])


def test_an_option_without_a_value_says_which_there_are():
    with pytest.raises(UserError, match="--dry_run needs a value: true.false"):
        FAMILIES["encrl"].read(["--dry_run"])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_said_names_the_script_that_was_called(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text(f'exec ./{family}.sh "$@"\n')
    said = FAMILIES[family].help()
    assert "Usage: ./run.sh " in said and not INNER.search(said)
    for given in (["--zzz", "1"], ["zzz"]):
        with pytest.raises(UserError) as refused:
            FAMILIES[family].read(given)
        assert "(see ./run.sh --help)" in str(refused.value)


def test_beside_a_run_sh_of_another_recipe_its_own_script_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text('exec ./encrl.sh "$@"\n')
    assert "Usage: lmprune.sh " in FAMILIES["lmprune"].help()


def test_no_message_of_the_recipes_names_a_script_of_the_template():
    """Docstrings may; of what is printed only the first lines of families are paths."""
    folder = Path(__file__).parents[2] / "espnet_plugin"
    found = []
    for file in [*folder.glob("recipe/**/*.py"), *folder.glob("bin/*.py")]:
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.search(INNER.pattern + " ", node.value):
                    found.append((file.name, node.value))
    # Classes and modules that are not shown to users.
    quoted = re.compile(r"``(encrl|dualmode|lmprune)\.sh``")
    assert [one for one in found if not quoted.search(one[1])] == []
