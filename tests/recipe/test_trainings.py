"""What stages 5 and 6 train, for the ways that a recipe may choose."""

from espnet_plugin.recipe.encrl_checks import complete
from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.trainings import (
    CutOut,
    EncrlTraining,
    FineTuning,
    encrl_trainings,
    stage_6,
)


def of(*given):
    return complete(FAMILIES["encrl"].read(given).values)


def test_one_training_of_all_sizes_then_one_of_each():
    options = of("--freeze", "encoder.embed", "--student_init", "last")
    (run,) = encrl_trainings(options)
    frozen = ("encoder.embed",)
    assert run == EncrlTraining(6, "last", frozen, None, (6, 4, 2))
    (tuning,) = stage_6(options)
    assert tuning == FineTuning(run, (6, 4, 2), False, None, frozen)
    assert tuning.trained() == [(6, None), (4, None), (2, None)]


def test_all_sizes_in_the_same_step_and_one_further():
    given = "--family nested --finetune together --finetune_alone 2:4".split()
    options = of(*given, "--encrl_epochs", "1", "--finetune_epochs", "3")
    (run,) = encrl_trainings(options)
    assert run.exits == (4, 2) and run.epochs == 1
    (tuning,) = stage_6(options)
    assert tuning.together and tuning.trained() == [(6, 3), (2, 4)]


def test_a_size_by_itself():
    given = "--family nested --alone 2 --alone_freeze ctc --direct true".split()
    options = of(*given, "--alone_epochs", "7", "--encrl_layers", "8")
    joint, alone = encrl_trainings(options)
    assert (joint.layers, joint.serves, joint.exits) == (8, (6, 4), (6, 4))
    assert alone == EncrlTraining(2, "first", ("ctc",), 7, (2,), by_itself=True)
    assert [one.ending for one in (joint, alone)] == ["", "_2l"]
    first, cut, second, other = stage_6(options)
    assert (first.sizes, first.freeze) == ((6, 4), ())
    assert (second.sizes, second.freeze) == ((2,), ("ctc",))
    assert cut == CutOut(joint, (6, 4), False) and other == CutOut(alone, (2,), False)


def test_models_as_stage_5_leaves_them():
    options = of("--finetune_epochs", "0", "--finetune_alone", "4:2")
    (run,) = encrl_trainings(options)
    cut, tuning = stage_6(options)
    assert cut == CutOut(run, (6, 2), True)
    assert tuning.trained() == [(4, 2)]
    assert [*map(type, stage_6(of("--finetune_epochs", "0")))] == [CutOut]


def test_only_sizes_by_themselves():
    runs = encrl_trainings(of("--alone", "2 4 6"))
    assert [one.layers for one in runs] == [6, 4, 2]
    assert all(one.by_itself for one in runs)
