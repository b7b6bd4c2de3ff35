"""Models of a call that finished ones rule out: refused before anything is trained."""

from pathlib import Path

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import write_json
from espnet_plugin.recipe.encrl_checks import check_encrl
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.families import FAMILIES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finish(name, **meta):
    """Write the description of a finished model."""
    folder = Experiment(f"exp/{name}")
    folder.write_meta(Meta(**{"seed": 1, "variant": "v", "method": "encrl", **meta}))


def check(*options):
    given = ["--stage", "5", "--stop_stage", "6", *options]
    check_encrl(complete(FAMILIES["encrl"].read(given).values))


def refused(*options):
    with pytest.raises(UserError) as error:
        check(*options)
    return str(error.value)


CALL = ("--tag", "b", "--variant", "v", "--sizes", "4 2")


def test_two_tags_of_one_variant(recipe):
    finish("asr_a_s1_2l", layers=2)
    said = refused(*CALL)
    assert "exp/asr_b_s1_2l would be 'encrl v' with 2 layers and seed 1" in said
    assert "which exp/asr_a_s1_2l already is" in said and "--variant" in said
    # Before stage 5, and when it is there already, before stage 6.
    assert refused(*CALL, "--stop_stage", "5") == said
    assert refused(*CALL, "--stage", "6") == said


@pytest.mark.parametrize(
    "meta",
    [
        dict(layers=2, seed=2),
        dict(layers=3),
        dict(layers=2, variant="w"),
        dict(layers=2, size_width=18),
        dict(layers=2, method="encrl_direct"),
        dict(layers=2, serves=(2,)),  # a training, whose model has another folder
    ],
)
def test_what_the_tables_can_tell_apart(recipe, meta):
    finish("asr_a_s1_2l", **meta)
    check(*CALL)


def test_finished_models_of_the_call_itself_and_links(recipe):
    finish("asr_b_s1_2l", layers=2)
    Path("exp/asr_link_s1_2l").symlink_to("asr_b_s1_2l")
    check(*CALL)
    check("--sizes", "4x72 2", "--tag", "c")


def test_a_damaged_description_of_another_model(recipe):
    finish("asr_a_s1_4l", layers=4)
    Experiment("exp/asr_a_s1_4l").meta_file.write_text("")
    check(*CALL)


def test_a_size_with_a_width(recipe):
    finish("asr_a_s1_4x72l", layers=4, size_width=72)
    said = refused("--tag", "b", "--variant", "v", "--sizes", "4x72 2")
    assert "4x72 layers" in said and "exp/asr_a_s1_4x72l" in said


def test_a_tag_whose_folders_belong_to_a_baseline(recipe):
    finish("asr_scratch_s1_4l", method="scratch", layers=4)
    said = refused("--tag", "scratch", "--sizes", "4 2")
    assert "exp/asr_scratch_s1_4l is a model of the method scratch" in said
    assert "choose another --tag than scratch" in said


def test_a_baseline_with_the_name_of_the_tag(recipe):
    Path("own").mkdir()
    Path("own/encrl.yaml").write_text("method: scratch\n")
    call = ("--baseline_dir", "own", "--baselines", "encrl", "--stop_stage", "8")
    said = refused(*call)
    assert "--baselines encrl" in said and "exp/asr_encrl_s1_*l" in said
    assert "copy the file under another name" in said
    check(*call, "--tag", "other")


def trained(layers):
    """Leave a finished training of several sizes."""
    run = Experiment("exp/encrl_encrl_s1")
    write_json(run.request_file, {"inputs": {"student_num_layers": layers}})
    write_json(run.done_file, {})


@pytest.mark.parametrize("sizes", ["2x72 1", "1"])
def test_sizes_that_an_existing_training_could_give(recipe, sizes):
    trained(2)
    said = refused("--sizes", sizes)
    assert f"--sizes {sizes}: exp/encrl_encrl_s1 is a training of 2 layers" in said
    assert "but one of 1 layer is wanted" in said
    assert "give --encrl_layers 2 to take them from it" in said
    check("--sizes", sizes, "--encrl_layers", "2")
    check("--sizes", sizes, "--tag", "other")
    check("--sizes", "2 1")
    check("--sizes", "4x72")  # has a training of its own


def test_sizes_that_it_cannot_give(recipe):
    trained(2)
    said = refused("--sizes", "4 2")
    assert "of 2 layers, but" in said and "another --tag" in said
    assert "--encrl_layers" not in said


@pytest.mark.parametrize(
    "names, says",
    [
        ("audio audio", "--unlabelled_sets audio audio: audio is listed twice"),
        ("train_it", "train_it is the training set"),
        ("audio other", ""),
    ],
)
def test_sets_of_unlabelled_audio(recipe, names, says):
    options = ("--train_set", "train_it", "--unlabelled_sets", names)
    if says:
        assert says in refused(*options)
    else:
        check(*options)


@pytest.mark.parametrize("name", ["dev", "test2"])
def test_unlabelled_audio_that_is_evaluated_on(recipe, capsys, name):
    options = ("--test_sets", "test test2", "--unlabelled_sets")
    check(*options, "audio")
    assert "WARNING" not in capsys.readouterr().err
    check(*options, f"audio {name}")
    said = capsys.readouterr().err
    assert f"--unlabelled_sets audio {name}: {name} is also a set to evaluate" in said
