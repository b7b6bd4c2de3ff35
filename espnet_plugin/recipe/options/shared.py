"""The options that ``encrl.sh`` and ``dualmode.sh`` have in common."""

from dataclasses import dataclass
from functools import partial

from espnet_plugin.doctor.kinds import warning_kinds
from espnet_plugin.recipe.choices import target_names
from espnet_plugin.recipe.option import PassedTo, option
from espnet_plugin.recipe.options.sections import DATA, DECODING, EXPORT, GENERAL
from espnet_plugin.recipe.values.names import SetName, SetNames
from espnet_plugin.recipe.values.numbers import MOST_SEED, Number, Speeds, Whole
from espnet_plugin.recipe.values.text import Command, Folder, Line, Text, Words
from espnet_plugin.recipe.values.words import Choice, Choices, Flag

__all__ = ["SharedOptions"]

_general = partial(option, GENERAL)
_data = partial(option, DATA)
_decoding = partial(option, DECODING)
_export = partial(option, EXPORT)


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
