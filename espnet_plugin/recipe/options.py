"""Every option of both families of recipes, declared once.

``--help``, the checks, the defaults of the commands that have the same options, and the
dry run all read these classes. A value that was read is an attribute of an instance.
"""

from dataclasses import dataclass
from functools import partial

from espnet_plugin.distill.starts import INITS, SHAPE_INITS
from espnet_plugin.doctor.kinds import warning_kinds
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.recipe.choices import objective_names, target_names
from espnet_plugin.recipe.option import PassedTo, option, same_option
from espnet_plugin.recipe.values import (
    MOST_SEED,
    Budgets,
    Choice,
    Choices,
    Command,
    Flag,
    Folder,
    Line,
    Modules,
    Name,
    Number,
    SetName,
    SetNames,
    SizeEpochs,
    Sizes,
    Speeds,
    Text,
    Whole,
    Words,
)
from espnet_plugin.shape import Shape

__all__ = ["DualmodeOptions", "EncrlOptions", "SharedOptions"]

GENERAL = "General"
DATA = "Data"
REFERENCE = "Reference model (stages 3 and 4)"
BESIDE = (
    "Beside a finished recipe of ESPnet (asr.sh run to stage 11), which is only read"
)
ENCRL = "EncRL (stage 5), fine-tuning (stage 6)"
TRAINING = "Training (stages 4 and 5)"
BASELINES = "Baselines (stage 8)"
DECODING = "Decoding (stage 7), report (stage 9)"
EXPORT = "Export to a device (stage 10); needs pip install '.[device]'"
# In this order they are printed.
SECTIONS = (
    GENERAL,
    DATA,
    REFERENCE,
    BESIDE,
    ENCRL,
    TRAINING,
    BASELINES,
    DECODING,
    EXPORT,
)

_general = partial(option, GENERAL)
_data = partial(option, DATA)
_reference = partial(option, REFERENCE)
_beside = partial(option, BESIDE)
_encrl = partial(option, ENCRL)
_training = partial(option, TRAINING)
_baseline = partial(option, BASELINES)
_decoding = partial(option, DECODING)
_export = partial(option, EXPORT)

_LAYERS = Choice(INITS)
_MAYBE_EPOCHS = Whole(1, optional=True)


@dataclass(frozen=True)
class SharedOptions:
    """What both families of recipes have."""

    stage: int = _general("1", Whole(1, 10), "First stage to run.")
    stop_stage: int = _general("9", Whole(1, 10), "Last stage to run.")
    nj: int = _general("2", Whole(1), "Worker processes of stage 2.")
    ngpu: int = _general("0", Whole(), "GPUs for training and decoding, on each node.")
    decode_nj: int = _general(
        "1",
        Whole(1),
        "Decoding processes; each set is split among them.",
    )
    num_threads: int = _general("1", Whole(1), "Threads of each process.")
    python: tuple[str, ...] = _general(
        "python3", Command(), "Python command for all stages; may include arguments."
    )
    datadir: str = _general("data", Folder(), "Folder of the Kaldi data folders.")
    dumpdir: str = _general("dump", Folder(), "Folder for formatted audio or features.")
    expdir: str = _general("exp", Folder(), "Folder for models, logs and reports.")
    corpus: str = _general(
        "",
        Line(),
        "Name of the corpus in the tables; if empty, the name of the recipe's folder.",
    )
    seed: int = _general(
        "1", Whole(0, MOST_SEED), "Seed of the trainings, except the reference's."
    )

    train_set: str = _data("train", SetName(), "Training set.")
    valid_set: str = _data("dev", SetName(), "Development set.")
    test_sets: tuple[str, ...] = _data(
        "test",
        SetNames(),
        "Test sets, in quotes if several; the tables show the first.",
    )
    local_data_opts: tuple[str, ...] = _data(
        "",
        Words(),
        'Options for local/data.sh, e.g. "--an4 /corpora/an4".',
    )
    fs: int = _data(
        "16000",
        Whole(1),
        "Sampling rate; must agree with frontend_conf in the configurations.",
        unit="Hz",
    )
    speed_perturb_factors: tuple[str, ...] = _data(
        "", Speeds(), 'Speed factors, e.g. "0.9 1.0 1.1"; training data only.'
    )
    min_wav_duration: str = _data(
        "0.1", Number(0), "Shortest utterance; training data only.", unit="seconds"
    )
    max_wav_duration: str = _data(
        "30",
        Number(0, above=True, example="30"),
        "Longest utterance; training data only.",
        unit="seconds",
    )
    bad_utterances: str = _data(
        "error",
        Choice(("error", "drop")),
        "Stop with an error, or drop bad utterances.",
    )
    check_audio: str = _data(
        "full",
        Choice(("full", "header", "none", "off")),
        "What stage 2 checks first: full (all audio), header (only headers of audio "
        "files), none (only tables), or off.",
    )
    expected_warnings: tuple[str, ...] = _data(
        "",
        Choices(warning_kinds),
        'Known kinds of warnings of this corpus, e.g. "shared-text" if it has few '
        "different sentences: stage 2 only prints their number.",
    )
    token_type: str = _data(
        "char", Choice(("char", "bpe")), "Token unit: characters or BPE."
    )
    nbpe: int = _data("100", Whole(1), "Size of the BPE vocabulary.")
    nlsyms: str = _data(
        "",
        Text(),
        "File with non-linguistic symbols such as <noise>, one per line; each becomes "
        "a token.",
    )

    remeasure_rtf: bool = _decoding(
        "false",
        Flag(),
        "Measure speed again in stage 9; nothing else should run meanwhile.",
    )
    results: str = _decoding("RESULTS.md", Folder(), "File for the tables of stage 9.")
    results_json: str = _decoding(
        "results.json", Folder(), "File for the figures behind the tables."
    )
    plot_dir: str = _decoding(
        "", Folder(optional=True), "Folder for plots; if empty, EXPDIR/report."
    )
    export_targets: tuple[str, ...] = _export(
        "onnx",
        Choices(target_names, optional=False),
        "Export targets, in quotes if several.",
        stages=[10],
    )
    export_opts: str = _export(
        "",
        Text(),
        'More options, quoted for the shell, e.g. "--int8": python -m '
        "espnet_plugin.bin.export --help",
        passed_to=PassedTo("export", [10]),
    )


@dataclass(frozen=True)
class EncrlOptions(SharedOptions):
    """The options of ``encrl.sh``."""

    num_nodes: int = _general(
        "1",
        Whole(1),
        "Nodes for one training (stages 4 to 8), with ESPnet's launcher and cmd.sh.",
    )
    hosts: str = _general(
        "",
        Text(),
        'Or host names, with ssh: "host1,host2", or "host1:0:1,host2:0" with GPUs.',
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
        "", Text(), "Its checkpoint file; if empty, the best one."
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
        "stages 1 to 3 are not needed. They are printed; the next options override "
        "them.",
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
        "", Text(), "Folder of its stage 10, with the lengths of utterances."
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
        Choice(SHAPE_INITS),
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
        INITS[0],
        _LAYERS,
        "Layers of the reference that initialise the student: random (none), first, "
        "last or spaced.",
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
        "convolutional front end).",
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
    finetune_alone: tuple[tuple[Shape, int], ...] = _encrl(
        "",
        SizeEpochs(),
        'Sizes and epochs of a further separate fine-tuning, e.g. "2:2". With '
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
        "Folder that stores the reference's outputs, so that they are computed once; "
        "if empty, they are computed in every epoch.",
    )
    encrl_args: tuple[str, ...] = _encrl(
        "",
        Words(),
        "More options for stage 5: python -m espnet_plugin.bin.encrl_train --help",
        passed_to=PassedTo("encrl_train", [5]),
    )
    finetune_args: tuple[str, ...] = _encrl(
        "",
        Words(),
        "More options for stage 6: those of ESPnet's asr_train.",
        passed_to=PassedTo("train_models", [6]),
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
        "", Text(), "ESPnet configuration instead of theirs."
    )
    baseline_epochs: int = _baseline("", _MAYBE_EPOCHS, "Epochs instead of theirs.")
    baseline_lr: str = _baseline(
        "",
        Number(0, above=True, example="0.001", optional=True),
        "Peak learning rate instead of theirs, shown in the tables.",
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


@dataclass(frozen=True)
class DualmodeOptions(SharedOptions):
    """The options of ``dualmode.sh``."""

    pretrain_set: str = _data(
        "",
        SetName(optional=True),
        "Folder in datadir with audio for pre-training; transcripts are not used.",
    )

    pretrain_config: str = _training(
        "conf/dualmode/pretrain_wav2vec2.yaml",
        Text(),
        "Configuration of stage 4.",
    )
    pretrain_epochs: int = _training(
        "",
        _MAYBE_EPOCHS,
        "Epochs of stage 4, instead of the configuration's.",
    )
    train_config: str = _training(
        "conf/dualmode/train.yaml",
        Text(),
        "Configuration of stage 5, supervised.",
    )
    row_dir: str = _training(
        "conf/dualmode/rows",
        Text(),
        "Folder with a file for each row: its changes to train_config.",
    )
    rows: tuple[str, ...] = _training(
        "self_pruned_50", Words(), "Names of files in row_dir, in quotes if several."
    )
    epochs: int = _training(
        "",
        _MAYBE_EPOCHS,
        "Epochs of stage 5, instead of the configuration's.",
    )
    pretrained: str = _training(
        "",
        Text(),
        "Checkpoint of a pre-training, for rows that start from one; if empty, that of "
        "stage 4.",
    )
    reference: str = _training(
        "",
        Text(),
        "Folder of a trained recogniser, the teacher of rows named taught_*.",
    )
    teacher_cache: str = same_option(EncrlOptions, "teacher_cache", section=TRAINING)
    train_args: tuple[str, ...] = _training(
        "",
        Words(),
        "More options for stages 5 and 8: those of ESPnet's asr_train.",
        passed_to=PassedTo("dual_mode_train", [5, 8]),
    )

    baselines: tuple[str, ...] = _baseline(
        "full_alone streaming_alone pruned_after_50 dense_dense",
        Words(),
        "Names of files in row_dir, in quotes if several.",
    )

    decoding: str = _decoding(
        "best_path",
        Choice(("best_path", "prefix", "transducer")),
        "best_path, prefix, or transducer where there is one.",
    )
