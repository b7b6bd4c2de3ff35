"""The options of ``encrl.sh``."""

from dataclasses import dataclass
from functools import partial
from typing import Union

from espnet_plugin.distill.starts import INITS, STARTS
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.recipe.choices import objective_names
from espnet_plugin.recipe.option import PassedTo, option
from espnet_plugin.recipe.options.sections import (
    BASELINES,
    BESIDE,
    DATA,
    DECODING,
    ENCRL,
    EXPORT,
    GENERAL,
    REFERENCE,
)
from espnet_plugin.recipe.options.shared import SharedOptions
from espnet_plugin.recipe.sizes import Smallest
from espnet_plugin.recipe.values.names import Modules, Name, SetNames
from espnet_plugin.recipe.values.numbers import MOST_SEED, Number, Whole
from espnet_plugin.recipe.values.sizes import Budgets, SizeEpochs, Sizes
from espnet_plugin.recipe.values.text import Folder, Line, Text, Words
from espnet_plugin.recipe.values.words import Choice, Choices, Flag
from espnet_plugin.shape import Shape

__all__ = ["EncrlRecipeOptions"]

_general = partial(option, GENERAL)
_data = partial(option, DATA)
_reference = partial(option, REFERENCE)
_beside = partial(option, BESIDE)
_encrl = partial(option, ENCRL)
_baseline = partial(option, BASELINES)
_decoding = partial(option, DECODING)
_export = partial(option, EXPORT)

_LAYERS = Choice(INITS)
_MAYBE_EPOCHS = Whole(1, optional=True)


@dataclass(frozen=True)
class EncrlRecipeOptions(SharedOptions):
    """The options of ``encrl.sh``."""

    num_nodes: int = _general(
        "1",
        Whole(1),
        "Nodes for one training (stages 4 to 8), with ESPnet's launcher and cmd.sh.",
    )
    hosts: str = _general(
        "",
        Text(),
        "Names of the nodes, which are reached by ssh, instead of num_nodes: "
        '"host1,host2", or with numbers of GPUs "host1:0:1,host2:0".',
    )
    dry_run: bool = _general(
        "false",
        Flag(),
        "Only estimate the time and disk space of the stages; nothing is started.",
    )
    print_option: str = _general(
        "",
        Text(),
        "Only print the value of this option in the recipe.",
    )
    corpus_hours: str = _general(
        "",
        Number(0, above=True, example="100", optional=True),
        "Amount of training audio for --dry_run, if neither data/ nor dump/ has it.",
        unit="hours",
    )
    estimate_opts: tuple[str, ...] = _general(
        "",
        Words(),
        "More options for --dry_run: python -m espnet_plugin.bin.estimate --help",
    )

    unlabelled_sets: tuple[str, ...] = _data(
        "",
        SetNames(),
        "Audio without transcripts that stage 5 trains on as well.",
    )
    feats_type: str = _data(
        "raw",
        Choice(("raw", "fbank")),
        "raw: features from ESPnet's front end in training. fbank: from stage 2.",
    )

    reference: str = _reference(
        "",
        Text(),
        "ESPnet experiment folder, packed zip or name in the model zoo to import; if "
        "empty, one is trained.",
    )
    reference_model_file: str = _reference(
        "", Text(), "Checkpoint file of the reference; if empty, the best one."
    )
    reference_config: str = _reference(
        "conf/train_reference.yaml", Text(), "Training configuration of the reference."
    )
    reference_exp: str = _reference(
        "",
        Folder(optional=True),
        "Folder of the reference in this recipe; if empty, EXPDIR/asr_reference, or "
        "EXPDIR/asr_reference_s<seed> with a reference_seed other than 1.",
    )
    reference_seed: int = _reference(
        "1", Whole(0, MOST_SEED), "Seed of the reference's training."
    )

    asr_recipe: str = _beside(
        "",
        Text(),
        "Folder of the ESPnet recipe. Its data, statistics and model are used, so "
        "stages 1 to 3 are not needed. What was found is printed; the next options "
        "override it.",
    )
    recipe_exp: str = _beside(
        "",
        Text(),
        "Experiment in it; if empty, the one with the lowest CER on dev.",
    )
    recipe_train_set: str = _beside("", Text(), "Name of the training set in its dump.")
    recipe_valid_set: str = _beside(
        "", Text(), "Name of the development set in its dump."
    )
    recipe_test_sets: tuple[str, ...] = _beside(
        "", Words(), "Names of the sets to test on; if empty, all others."
    )
    recipe_dump: str = _beside("", Text(), "Folder of the sets, e.g. dump/raw.")
    recipe_stats: str = _beside(
        "", Text(), "Folder that its stage 10 wrote, with the lengths of utterances."
    )
    recipe_token_list: str = _beside("", Text(), "Token list of the model.")

    tag: str = _encrl("encrl", Name(), "Names the folders of this variant.")
    variant: str = _encrl(
        "",
        Line(),
        "Name of this variant in the tables; if empty, the tag, unless it is encrl.",
    )
    sizes: tuple[Shape, ...] = _encrl(
        "6 4 2",
        Sizes(),
        "Encoder layers of the small models; layers x width (4x72) for a different "
        "width, see docs/shapes.md. Such a model is trained separately.",
    )
    budget: tuple[Budget, ...] = _encrl(
        "",
        Budgets(),
        "Instead of sizes: limits of parameters (1.5M) or of multiply-adds per second "
        "of audio (70MMAC/s). For each limit stage 5 tries shapes that use 90 to 100 "
        "% of it, and chooses the best on dev; see docs/shapes.md.",
    )
    trials: int = _encrl(
        "3", Whole(1), "Number of shapes to try for each limit of budget."
    )
    trial_epochs: int = _encrl("1", Whole(1), "Epochs of each trial.")
    shape_init: str = _encrl(
        "auto",
        Choice(STARTS),
        "Initial weights of models with a width: random, or these layers of the "
        "reference, cut to the width. auto: first if they can be cut, else random.",
        stages=[5],
    )
    encrl_layers: int = _encrl(
        "",
        Whole(1, optional=True),
        "Encoder layers of the EncRL student; if empty, the largest size.",
    )
    student_init: str = _encrl(
        STARTS[0],
        Choice(STARTS),
        "Layers of the reference that initialise the student: random (none), first, "
        "last or spaced. auto: spaced if the student only has fewer layers than the "
        "reference, otherwise random.",
        stages=[5],
    )
    objectives: tuple[str, ...] = _encrl(
        "",
        Choices(objective_names),
        'Objectives, e.g. "clip mae"; if empty, those of encrl_config.',
        stages=[5],
    )
    family: str = _encrl(
        "last",
        Choice(("last", "first", "spaced", "nested")),
        "Layers of the student that a smaller model gets: last, first or spaced. "
        "nested: the first, and stage 5 trains all sizes in the same step.",
        stages=[5, 6],
    )
    freeze: tuple[str, ...] = _encrl(
        "",
        Modules(),
        "Modules that stages 5 and 6 do not train, e.g. encoder.embed (the "
        "convolutional subsampling).",
    )
    alone: tuple[Shape, ...] = _encrl(
        "",
        Sizes(optional=True),
        'Sizes that stage 5 trains separately, e.g. "2".',
    )
    alone_init: str = _encrl(
        "first",
        _LAYERS,
        "Layers of the reference that initialise the models of --alone.",
        stages=[5],
    )
    alone_freeze: tuple[str, ...] = _encrl(
        "", Modules(), "Modules of the models of --alone that are not trained."
    )
    alone_epochs: int = _encrl(
        "",
        _MAYBE_EPOCHS,
        "Epochs of the models of --alone; if empty, as many as the others.",
    )
    train_jobs: int = _encrl("1", Whole(1), "Trainings of stage 5 in parallel.")
    finetune: str = _encrl(
        "each",
        Choice(("each", "together")),
        "each: a training of each size. together: stage 6 trains all sizes of a nested "
        "family in the same step as well.",
    )
    finetune_alone: tuple[tuple[Union[Shape, Smallest], int], ...] = _encrl(
        "",
        SizeEpochs(),
        'Sizes and epochs of a further separate fine-tuning, e.g. "2:2" or '
        '"smallest:2". With '
        "--finetune_epochs 0 stage 6 trains only these, and alone_freeze names the "
        "modules that are not trained.",
    )
    encrl_config: str = _encrl(
        "conf/train_encrl.yaml", Text(), "Configuration of stage 5."
    )
    finetune_config: str = _encrl(
        "conf/finetune_ctc.yaml", Text(), "Configuration of stage 6."
    )
    teacher_cache: str = _encrl(
        "",
        Folder(optional=True),
        "Folder that stores the reference's outputs, so that they are computed once. "
        "auto: a folder of its own in --expdir for each reference; empty: they are "
        "computed in every epoch.",
    )
    encrl_args: tuple[str, ...] = _encrl(
        "",
        Words(),
        "More options for stage 5: python -m espnet_plugin.bin.encrl_train --help",
        passed_to=PassedTo("encrl_train", [5], "encrl_config"),
    )
    finetune_args: tuple[str, ...] = _encrl(
        "",
        Words(),
        "More options for stage 6: those of ESPnet's asr_train.",
        passed_to=PassedTo("train_models", [6], "finetune_config"),
    )
    encrl_epochs: int = _encrl(
        "", _MAYBE_EPOCHS, "Epochs of stage 5, instead of the configuration's."
    )
    finetune_epochs: int = _encrl(
        "",
        Whole(0, optional=True),
        "Epochs of stage 6. 0: the models of stage 5 are used as they are.",
    )
    direct: bool = _encrl("false", Flag(), "Also decode the models before fine-tuning.")

    baselines: tuple[str, ...] = _baseline(
        "scratch", Words(), "Names of files in baseline_dir, in quotes if several."
    )
    baseline_dir: str = _baseline(
        "conf/baselines", Folder(), "Folder with a configuration of each baseline."
    )
    baseline_training: str = _baseline(
        "",
        Text(),
        "Training configuration of all baselines, instead of those that their files "
        "name.",
    )
    baseline_epochs: int = _baseline(
        "",
        _MAYBE_EPOCHS,
        "Epochs of each baseline, instead of those of its configuration.",
    )
    baseline_lr: str = _baseline(
        "",
        Number(0, above=True, example="0.001", optional=True),
        "Peak learning rate of each baseline, instead of that of its configuration; "
        "shown in the tables.",
    )

    decoding: str = _decoding(
        "best_path",
        Choice(("best_path", "prefix")),
        "best_path, or prefix: ESPnet's prefix search with beam 1 (slow).",
        stages=[7, 8, 9],
    )
    report_opts: str = _decoding(
        "",
        Text(),
        "More options, quoted for the shell, e.g. \"--compare 'encrl kl 6' 'encrl mse "
        "6'\": python -m espnet_plugin.bin.report --help",
        passed_to=PassedTo("report", [9]),
    )
    export_models: tuple[str, ...] = _export(
        "", Words(), "Folders of other models to export as well."
    )
