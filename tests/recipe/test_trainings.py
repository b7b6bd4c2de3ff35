"""What stages 5 and 6 train, for the ways that a recipe may choose."""

from espnet_plugin.recipe.dualmode_checks import complete_dualmode
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.sizes import SMALLEST
from espnet_plugin.recipe.trainings import (
    CutOut,
    EncrlTraining,
    FineTuning,
    encrl_trainings,
    stage_6,
)
from espnet_plugin.shape import Shape

TWO, FOUR, SIX = Shape(2), Shape(4), Shape(6)


def of(*given):
    return complete(FAMILIES["encrl"].read(given).values)


def test_one_training_of_all_sizes_then_one_of_each():
    options = of("--freeze", "encoder.embed", "--student_init", "last")
    (run,) = encrl_trainings(options)
    frozen = ("encoder.embed",)
    assert run == EncrlTraining(6, "last", frozen, None, (SIX, FOUR, TWO))
    (tuning,) = stage_6(options)
    assert tuning == FineTuning(run, (SIX, FOUR, TWO), False, None, frozen)
    assert tuning.trained() == [(SIX, None), (FOUR, None), (TWO, None)]


def test_all_sizes_in_the_same_step_and_one_further():
    given = "--family nested --finetune together --finetune_alone 2:4".split()
    options = of(*given, "--encrl_epochs", "1", "--finetune_epochs", "3")
    (run,) = encrl_trainings(options)
    assert run.exits == (4, 2) and run.epochs == 1
    (tuning,) = stage_6(options)
    assert tuning.together and tuning.trained() == [(SIX, 3), (TWO, 4)]


def test_a_size_by_itself():
    given = "--family nested --alone 2 --alone_freeze ctc --direct true".split()
    options = of(*given, "--alone_epochs", "7", "--encrl_layers", "8")
    joint, alone = encrl_trainings(options)
    assert (joint.layers, joint.serves, joint.exits) == (8, (SIX, FOUR), (6, 4))
    assert alone == EncrlTraining(2, "first", ("ctc",), 7, (TWO,), by_itself=True)
    assert [one.ending for one in (joint, alone)] == ["", "_2l"]
    first, cut, second, other = stage_6(options)
    assert (first.sizes, first.freeze) == ((SIX, FOUR), ())
    assert (second.sizes, second.freeze) == ((TWO,), ("ctc",))
    assert cut == CutOut(joint, (SIX, FOUR), False) and other == CutOut(
        alone, (TWO,), False
    )


def test_models_as_stage_5_leaves_them():
    options = of("--finetune_epochs", "0", "--finetune_alone", "4:2")
    (run,) = encrl_trainings(options)
    cut, tuning = stage_6(options)
    assert cut == CutOut(run, (SIX, TWO), True)
    assert tuning.trained() == [(FOUR, 2)]
    assert [*map(type, stage_6(of("--finetune_epochs", "0")))] == [CutOut]


def test_only_sizes_by_themselves():
    runs = encrl_trainings(of("--alone", "2 4 6"))
    assert [one.layers for one in runs] == [6, 4, 2]
    assert all(one.by_itself for one in runs)


def test_a_size_with_a_width_is_trained_by_itself_and_nothing_of_it_is_frozen():
    wide = Shape(4, 72)
    options = of("--sizes", "6 4x72 2", "--alone", "2", "--alone_freeze", "ctc")
    joint, alone, other = encrl_trainings(options)
    assert joint.serves == (SIX,) and options.encrl_layers == 6
    assert (alone.shape, alone.serves, alone.freeze) == (wide, (wide,), ())
    assert (alone.ending, alone.by_itself) == ("_4x72l", True)
    assert (other.shape, other.freeze) == (TWO, ("ctc",))
    assert [one.freeze for one in stage_6(options)] == [(), (), ("ctc",)]
    further = ["--finetune_epochs", "0", "--finetune_alone", "4x72:2 2:1"]
    options = of("--sizes", "6 4x72 2", "--alone_freeze", "ctc", *further)
    tuned = [one for one in stage_6(options) if isinstance(one, FineTuning)]
    assert [(one.sizes, one.freeze) for one in tuned] == [
        ((TWO,), ("ctc",)),
        ((wide,), ()),
    ]


def test_the_smallest_size_is_trained_further_whichever_it_is():
    further = ["--finetune_epochs", "0", "--finetune_alone", "smallest:5"]
    for sizes, smallest in (
        ("6 4 2", TWO),
        ("6 2 4x72", TWO),
        ("6 4 4x72", Shape(4, 72)),
    ):
        options = of("--sizes", sizes, *further)
        assert options.finetune_alone == ((smallest, 5),)
        tuned = [one for one in stage_6(options) if isinstance(one, FineTuning)]
        assert [one.trained() for one in tuned] == [[(smallest, 5)]]
    assert of("--budget", "1M", *further).finetune_alone == ((SMALLEST, 5),)
    assert of("--budget", "1M", "--finetune_alone", "2:5").finetune_alone == ()


def test_every_reference_has_a_teacher_cache_of_its_own():
    """`./run.sh --reference_seed 2` in a folder where seed 1 was run."""
    cache = ("--teacher_cache", "auto", "--expdir", "runs")
    folders = [
        of(*cache).teacher_cache,
        of(*cache, "--reference_seed", "2").teacher_cache,
        of(*cache, "--reference_exp", "elsewhere/big").teacher_cache,
    ]
    assert folders == [
        "runs/teacher_cache",
        "runs/teacher_cache_s2",
        "runs/teacher_cache_big",
    ]
    assert of("--teacher_cache", "mine").teacher_cache == "mine"
    assert of("--teacher_cache", "").teacher_cache == ""
    given = ["--teacher_cache", "auto", "--reference", "../encrl1/exp/asr_reference_s3"]
    options = complete_dualmode(FAMILIES["dualmode"].read(given).values)
    assert options.teacher_cache == "exp/teacher_cache_s3"
