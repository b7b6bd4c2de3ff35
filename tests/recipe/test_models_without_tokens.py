"""A reference whose tokens are unknown is refused when it is given, not later."""

from pathlib import Path

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.encrl_checks import check_encrl
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.families import FAMILIES

ROOT = Path(__file__).parents[2]
TOKENS = ["<blank>", "<unk>", "A", "<sos/eos>"]
NAME = "data/en_token_list/char/tokens.txt"


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A finished experiment of ESPnet; returns a function that sets its tokens."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(mine)
    exp = tmp_path / "asr1/exp/asr_conformer"
    exp.mkdir(parents=True)
    (exp / "valid.cer_ctc.ave.pth").touch()
    config = {"encoder": "conformer", "encoder_conf": {}, "ctc_conf": {}}

    def write(**changes):
        content = {
            **config,
            "token_type": "char",
            "model_conf": {"ctc_weight": 1.0},
            **changes,
        }
        (exp / "config.yaml").write_text(yaml.safe_dump(content))

    def listed(text):
        path = tmp_path / "asr1" / NAME
        path.parent.mkdir(parents=True)
        path.write_text(text)

    write.listed, write.exp, write.recipe = listed, exp, tmp_path / "asr1"
    return write


def check(*options):
    check_encrl(complete(FAMILIES["encrl"].read(options).values))


def refused(*options):
    with pytest.raises(UserError) as error:
        check(*options)
    return str(error.value)


GIVEN = {
    "recipe": lambda model: ("--asr_recipe", str(model.recipe)),
    "experiment": lambda model: (
        *("--asr_recipe", str(model.recipe), "--recipe_exp", model.exp.name),
    ),
    "reference": lambda model: ("--reference", str(model.exp)),
}
WRONG = {
    "null": (None, "token_list is empty"),
    "no tokens": ([], "token_list is empty"),
    "a file that is gone": (NAME, f"token_list: {NAME} does not exist; searched for"),
    "no blank": (["<unk>", "A"], "must be the CTC blank '<blank>', which is not in"),
    "the blank at the end": (
        [*TOKENS[1:], "<blank>"],
        "token 0 is '<unk>', but must be the CTC blank '<blank>', which is token 3",
    ),
    "numbers": (["<blank>", 1], "something other than tokens"),
    "no unknown": (["<blank>", "A"], "the 2 tokens lack <unk>, which ESPnet needs"),
}


@pytest.mark.parametrize("dry_run", ["true", "false"])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("wrong", WRONG)
def test_refused_when_it_is_given(model, wrong, given, dry_run):
    tokens, message = WRONG[wrong]
    model(token_list=tokens)
    said = refused(*GIVEN[given](model), "--dry_run", dry_run)
    assert message in said
    assert str(model.exp) in said


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    "text, message",
    [("", "tokens.txt is empty"), ("<unk>\nA\n", "token 0 is '<unk>'")],
)
def test_a_list_in_a_file(model, given, text, message):
    model(token_list=NAME)
    model.listed(text)
    assert message in refused(*GIVEN[given](model))


@pytest.mark.parametrize("given", GIVEN)
def test_what_is_right(model, given):
    model(token_list=TOKENS)
    check(*GIVEN[given](model))
    # The name of the blank is the model's own.
    model(token_list=["<b>", "<unk>", "A"], model_conf={"sym_blank": "<b>"})
    check(*GIVEN[given](model))
    # A path is relative to the recipe of the experiment.
    model(token_list=NAME)
    model.listed("".join(f"{token}\n" for token in TOKENS))
    check(*GIVEN[given](model))


@pytest.mark.parametrize("kind", ["word", "phn", "whisper_en", "hugging_face", None])
def test_tokens_that_stage_2_cannot_make(model, kind):
    """Only --asr_recipe, whose data has been prepared, may have them."""
    model(token_list=TOKENS, token_type=kind)
    said = refused(*GIVEN["reference"](model), "--dry_run", "true")
    assert f"--reference {model.exp}: its token_type is {kind}" in said
    check(*GIVEN["recipe"](model))
    check(*GIVEN["reference"](model), "--stage", "5")


def test_another_experiment_of_the_recipe_is_chosen(model):
    model(token_list=None)
    other = model.exp.with_name("asr_other")
    other.mkdir()
    (other / "valid.cer_ctc.ave.pth").touch()
    content = yaml.safe_load((model.exp / "config.yaml").read_text())
    (other / "config.yaml").write_text(
        yaml.safe_dump({**content, "token_list": TOKENS})
    )
    check("--asr_recipe", str(model.recipe))
    assert "token_list is empty" in refused(*GIVEN["experiment"](model))
