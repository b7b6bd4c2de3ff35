"""Stages 4 to 6 of ``encrl.sh``: the reference, EncRL, fine-tuning."""

from functools import partial
from typing import Iterator, Optional, TextIO

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.runner import Runner, log
from espnet_plugin.recipe.stages.data import needs_of_tokens
from espnet_plugin.recipe.stages.stage import Need, Stage
from espnet_plugin.recipe.stages.words import maybe, several
from espnet_plugin.recipe.trainings import (
    CutOut,
    EncrlTraining,
    FineTuning,
    encrl_trainings,
    stage_6,
)
from espnet_plugin.shape import Shape
from espnet_plugin.yaml_files import read_yaml

__all__ = ["TRAINING_STAGES", "encrl_data", "needs_of_encrl", "training_options"]


def training_options(layout: Layout) -> list[str]:
    """Return ESPnet's options for data, lengths and GPUs."""
    data, devices = layout.data_options(), layout.device_options()
    return [*data, *devices, *layout.shape_options()]


def _train_reference(layout: Layout, runner: Runner) -> None:
    options, features = layout.options, layout.feature_options()
    stats_file = f"stats_file={layout.stats}/train/feats_stats.npz"
    normalize = ["--normalize", "global_mvn", "--normalize_conf", stats_file]
    config = read_yaml(options.reference_config, "--reference_config")
    # Whisper's encoder takes audio, which must not be normalised.
    if "normalize" in config and config["normalize"] in (None, "none"):
        normalize = []
    command = runner.python(
        *("train_models", "--kind", "reference", "--config", options.reference_config),
        *("--output", layout.reference_exp, "--seed", str(options.reference_seed)),
        *(*training_options(layout), *layout.token_options(), *features, *normalize),
    )
    runner.train("reference", command)


def _needs_of_reference(layout: Layout) -> Iterator[Need]:
    yield Need(f"{layout.stats}/.done", 3)
    yield from needs_of_tokens(layout)


def needs_of_encrl(layout: Layout) -> Iterator[Need]:
    """Return the files that stage 5 needs."""
    yield Need(f"{layout.stats}/.done", 3)
    yield Need(str(Experiment(layout.reference_exp).meta_file), 4)
    if layout.options.unlabelled_sets:
        yield Need(f"{layout.dump}/{layout.encrl_set}/{layout.lengths}", 2)


def encrl_data(layout: Layout) -> list[str]:
    """Return ESPnet's options for the data of stage 5."""
    if not layout.options.unlabelled_sets:
        return training_options(layout)
    folder = f"{layout.dump}/{layout.encrl_set}"
    return [
        *layout.set_options("train", layout.encrl_set, text=False),
        *("--train_shape_file", f"{folder}/{layout.lengths}"),
        *layout.set_options("valid", layout.options.valid_set),
        *layout.device_options(),
        *layout.shape_options()[2:],
    ]


def _train_encrl(
    layout: Layout,
    runner: Runner,
    training: EncrlTraining,
    output: Optional[TextIO] = None,
) -> None:
    options = layout.options
    command = runner.python(
        *("encrl_train", "--config", options.encrl_config),
        *("--output_dir", f"{layout.encrl_exp}{training.ending}"),
        *("--seed", str(options.seed), "--variant", options.variant),
        *("--serves", *map(str, training.serves)),
        *("--reference", layout.reference_exp),
        *_student(options, training),
        *several("--objectives", options.objectives),
        *maybe("--max_epoch", training.epochs),
        *maybe("--teacher_cache", options.teacher_cache),
        *(*encrl_data(layout), *several("--freeze_param", training.freeze)),
        *several("--student_exits", training.exits),
        *options.encrl_args,
    )
    runner.train(f"encrl{training.ending}", command, output)


def _student(options: EncrlRecipeOptions, training: EncrlTraining) -> list[str]:
    if training.width is not None:  # --serves has the student's shape
        return ["--shape_init", options.shape_init]
    layers = ["--student_num_layers", str(training.layers)]
    return [*layers, "--student_init", training.init]


def _is_new(layout: Layout, training: EncrlTraining) -> bool:
    return not Experiment(f"{layout.encrl_exp}{training.ending}").is_begun


def _run_encrl(layout: Layout, runner: Runner) -> None:
    trainings = encrl_trainings(layout.options)
    alone = [one for one in trainings if one.by_itself]
    together = [one for one in trainings if not one.by_itself]
    beside = layout.options.train_jobs - 1
    if not beside:
        # First those that have a folder, which may hold another training.
        for one in sorted(alone + together, key=partial(_is_new, layout)):
            _train_encrl(layout, runner, one)
        return
    jobs = {
        f"encrl{one.ending}": partial(_train_encrl, layout, runner, one)
        for one in alone
    }
    for one in alone:
        file = runner.log_file(f"encrl{one.ending}")
        log(f"{one.shape} layers are trained separately, in parallel; log: {file}")

    def train_the_others() -> None:
        for one in together:
            _train_encrl(layout, runner, one)

    runner.beside(jobs, beside, train_the_others)


def _needs_of_fine_tuning(layout: Layout) -> Iterator[Need]:
    yield Need(f"{layout.stats}/train/speech_shape", 3)
    for one in encrl_trainings(layout.options):
        yield Need(str(Experiment(layout.encrl_exp + one.ending).done_file), 5)


def _fine_tune_all(layout: Layout, runner: Runner) -> None:
    for one in stage_6(layout.options):
        if isinstance(one, CutOut):
            _cut_out(layout, runner, one)
            continue
        # One process for all sizes, but not on several nodes, where the launcher
        # connects the processes once per start.
        each = runner.several_nodes and not one.together
        for sizes in [(size,) for size in one.sizes] if each else [one.sizes]:
            _fine_tune(layout, runner, one, sizes)


def _source(layout: Layout, source: EncrlTraining) -> list[str]:
    family = layout.options.family
    if source.by_itself or family == "nested":
        family = "first"
    folder = f"{layout.encrl_exp}{source.ending}"
    return ["--encrl_dir", folder, "--family", family]


def _cut_out(layout: Layout, runner: Runner, one: CutOut) -> None:
    output = ["--output", f"{layout.student_exp}_direct"]
    if one.final:
        output = ["--output", layout.student_exp, "--method", "encrl"]
    command = runner.python(
        *("train_models", "--kind", "direct", *_source(layout, one.source)),
        *("--sizes", *map(str, one.sizes), *output),
    )
    runner.submit(runner.commands.train, "direct", command)


def _fine_tune(
    layout: Layout, runner: Runner, one: FineTuning, sizes: tuple[Shape, ...]
) -> None:
    options = layout.options
    further = [f"{size}:{n}" for size, n in one.further if size in sizes]
    command = runner.python(
        *("train_models", "--kind", "together" if one.together else "finetune"),
        *(*_source(layout, one.source), "--sizes", *map(str, sizes)),
        *several("--alone", further),
        *("--output", layout.student_exp, "--seed", str(options.seed)),
        *("--config", options.finetune_config),
        *maybe("--max_epoch", one.epochs),
        *training_options(layout),
        *several("--freeze_param", one.freeze),
        *options.finetune_args,
    )
    runner.train(f"finetune_{'_'.join(map(str, sizes))}", command)


def _students(layout: Layout) -> str:
    said = []
    for one in encrl_trainings(layout.options):
        smaller = [size for size in one.serves if size != one.shape]
        inside = ""
        if one.exits:
            models = "model" if len(smaller) == 1 else "models"
            sizes = " and ".join(map(str, smaller))
            inside = f", which also contains the {models} of {_layers(sizes)}"
        said.append(f"a student of {_layers(str(one.shape))}{inside}")
    return f" of {'; '.join(said)}"


def _layers(sizes: str) -> str:
    return f"{sizes} layer" if sizes == "1" else f"{sizes} layers"


def _tuned(layout: Layout) -> str:
    work = stage_6(layout.options)
    tuned = [n for one in work if isinstance(one, FineTuning) for n in one.sizes]
    cut = [
        n for one in work if isinstance(one, CutOut) and one.final for n in one.sizes
    ]
    said = [f" of {_layers(' '.join(map(str, tuned)))}"] if tuned else []
    if cut:
        models = f"{_layers(' '.join(map(str, cut)))}: cut out of stage 5's model"
        said.append(f"; {models}" if tuned else f": nothing to train; {models}")
    return "".join(said)


TRAINING_STAGES = (
    Stage[Layout](
        4,
        "reference model",
        "EXPDIR/asr_reference, trained by ESPnet or imported (--reference)",
        needs=_needs_of_reference,
        work=_train_reference,
        applies=lambda layout: not layout.options.reference,
    ),
    Stage[Layout](
        5,
        "EncRL pre-training",
        "EXPDIR/encrl_<tag>_s<seed>",
        needs=needs_of_encrl,
        work=_run_encrl,
        detail=_students,
    ),
    Stage[Layout](
        6,
        "CTC fine-tuning",
        "EXPDIR/asr_<tag>_s<seed>_<n>l, a model of each size",
        needs=_needs_of_fine_tuning,
        work=_fine_tune_all,
        detail=_tuned,
    ),
)
