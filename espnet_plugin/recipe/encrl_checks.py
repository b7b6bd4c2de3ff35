"""Checks of the options of ``encrl.sh``, of the reference and of the files.

They run before the first stage, so that mistakes do not appear after hours of work.
"""

from pathlib import Path
from typing import Any

from espnet_plugin.distill.starts import own_kind, start_of
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.config_keys import ENCRL, check_baseline_keys, check_keys
from espnet_plugin.recipe.encrl_complete import reference_config
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.option_checks import (
    check_durations,
    check_file,
    check_named_files,
    file_names,
    wanted,
)
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.path_checks import (
    check_output_paths,
    check_stock_experiment,
    check_stock_paths,
)
from espnet_plugin.recipe.runner import log
from espnet_plugin.recipe.sizes import SMALLEST
from espnet_plugin.recipe.trainings import largest_together, sizes_together
from espnet_plugin.reference.named import check_reference
from espnet_plugin.results.twins import PlannedModel, check_planned
from espnet_plugin.shape import Shape
from espnet_plugin.yaml_files import read_yaml

__all__ = ["check_encrl", "check_layers"]


def check_encrl(options: EncrlRecipeOptions) -> None:
    """Check the options that the chosen stages use.

    Args:
        options: The options as :func:`complete` returns them.

    Raises:
        UserError: If options contradict each other or a file is missing; it names the
            option, its value and what is allowed.
    """
    check_durations(options)
    check_output_paths(options)
    _check_unlabelled(options)
    if options.nlsyms and wanted(options, 2):
        check_file("nlsyms", options.nlsyms)
    given = options.reference or options.asr_recipe
    if wanted(options, 2, 3, 4) and not given:
        check_file("reference_config", options.reference_config)
        check_keys(options.reference_config, "--reference_config")
    if options.asr_recipe and options.reference:
        raise UserError(
            f"--reference {options.reference}: with --asr_recipe the reference is an "
            "experiment of that recipe; choose it with --recipe_exp"
        )
    if options.asr_recipe:
        check_stock_paths(options)
        check_stock_experiment(options)
    if options.reference and wanted(options, 2, 4, 5, 6, 7, 8):
        check_reference(options.reference, options.reference_model_file)
        _check_token_type(options)
    if wanted(options, 5, 6):
        _check_tables(options)
    if wanted(options, 5):
        _check_stage_5(options)
    _check_finetune(options)
    if wanted(options, 8):
        _check_baselines(options)
    if wanted(options, 10):
        for one in options.export_models:
            if not Experiment(one).config_file.is_file():
                raise UserError(
                    f"--export_models {one}: has no config.yaml: name model folders"
                )


def _check_token_type(options: EncrlRecipeOptions) -> None:
    """Check that stage 2 can make the tokens of a reference that is not packed."""
    file = Experiment(options.reference).config_file
    if not wanted(options, 2) or not file.is_file():
        return
    kind = read_config(file).get("token_type")
    if kind not in ("char", "bpe"):
        raise UserError(
            f"--reference {options.reference}: its token_type is {kind}, but stage 2 "
            "prepares data for char or bpe: choose another --reference, or use the "
            "recipe that it was trained in (--asr_recipe)"
        )


def _check_unlabelled(options: EncrlRecipeOptions) -> None:
    """Check that no audio is trained on twice, and that none is evaluated on."""
    names = options.unlabelled_sets
    given = f"--unlabelled_sets {' '.join(names)}"
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{given}: {name} is listed twice: list it once")
        if name == options.train_set:
            raise UserError(
                f"{given}: {name} is the training set, which stage 5 uses anyway: "
                "leave it out"
            )
        if name in (options.valid_set, *options.test_sets):
            log(
                f"WARNING {given}: {name} is also a set to evaluate on, so its error "
                "rates are those of audio that the models have been trained on"
            )


def _check_tables(options: EncrlRecipeOptions) -> None:
    """Check that the tables can tell the models of this call from finished ones."""
    layout = Layout(options)
    folders = map(Path, layout.models(layout.student_exp))
    check_planned(
        [
            PlannedModel(folder, "encrl", options.variant, size, options.seed)
            for folder, size in zip(folders, options.sizes)
        ],
        (
            "give one of them a --variant of its own, or choose another --expdir",
            f"choose another --tag than {options.tag}",
        ),
    )


def _says(options: EncrlRecipeOptions, name: str) -> bool:
    """Return whether ``encrl_args`` or ``encrl_config`` set an option of stage 5."""
    for word in options.encrl_args:
        if word.partition("=")[0] == f"--{name}":
            return True
    file = Path(options.encrl_config)
    return file.is_file() and name in read_yaml(file, "--encrl_config")


def _check_budget(options: EncrlRecipeOptions) -> None:
    budget = " ".join(map(str, options.budget))
    if options.num_nodes != 1 or options.hosts:
        raise UserError(
            f"--budget {budget}: trials run on one node only: run stage 5 on one node "
            "to find the sizes, then name them with --sizes"
        )
    if options.feats_type == "fbank":
        raise UserError(
            f"--budget {budget}: operations of models that take features of stage 2 "
            "(--feats_type fbank) cannot be counted: give --sizes instead, or "
            "--feats_type raw"
        )


def _check_stage_5(options: EncrlRecipeOptions) -> None:
    check_file("encrl_config", options.encrl_config)
    check_keys(options.encrl_config, "--encrl_config", ENCRL)
    if options.budget:
        _check_budget(options)
    frozen = " ".join(options.alone_freeze)
    if frozen and options.alone_init == "random":
        raise UserError(
            f"--alone_freeze {frozen} would keep random weights, because --alone_init "
            "random copies none: choose --alone_init first, last or spaced, or "
            "--alone_freeze ''"
        )
    frozen = " ".join(options.freeze)
    given = {} if not frozen else read_yaml(options.encrl_config, "--encrl_config")
    start = start_of(options.student_init, given)
    filled = _says(options, "student_layers") or _says(options, "init_param")
    if frozen and start == "random" and not filled:
        why = "--student_init random copies none"
        if options.student_init == "auto":
            why = f"{own_kind(given)} in {options.encrl_config} differs from the "
            why += "reference, so that no layers are copied (--student_init auto)"
        raise UserError(
            f"--freeze {frozen} would keep random weights, because {why}: choose "
            "--student_init spaced, first or last, or --freeze ''"
        )
    _check_run(options)
    check_layers(options, reference_config(options))


def _check_run(options: EncrlRecipeOptions) -> None:
    """Check that an existing training of several sizes has the wanted layers.

    The training would refuse this as well, but after those of single sizes.
    """
    run, together = Experiment(Layout(options).encrl_exp), sizes_together(options)
    if not together or not run.is_begun or _says(options, "student_layers"):
        return
    inputs = (run.request() or {}).get("inputs")
    there = inputs.get("student_num_layers") if isinstance(inputs, dict) else None
    if not isinstance(there, int) or there == options.encrl_layers:
        return
    ways = ["choose another --tag or --expdir, or delete the folder"]
    if there > largest_together(options):
        ways.insert(0, f"give --encrl_layers {there} to take them from it")
    raise UserError(
        f"--sizes {' '.join(map(str, options.sizes))}: {run.folder} is a training of "
        f"{Shape(there).in_words}, but one of {Shape(options.encrl_layers).in_words} "
        f"is wanted: {', or '.join(ways)}"
    )


def check_layers(options: EncrlRecipeOptions, config: str) -> None:
    """Check that the reference has as many layers as the student.

    Args:
        options: Options of the recipe.
        config: Configuration file of the reference. If it is missing or does not say
            how many layers there are, nothing is checked here; stage 5 counts them.

    Raises:
        UserError: If the reference has fewer layers; it names the sizes and the file.
    """
    if not wanted(options, 5) or not Path(config).is_file():
        return
    if options.encrl_layers is None:  # chosen later, from the reference's layers
        return
    # For these options stage 5 has its own rules.
    if _says(options, "student_encoder") or _says(options, "student_layers"):
        return
    there: Any = (read_yaml(config).get("encoder_conf") or {}).get("num_blocks")
    if isinstance(there, int) and options.encrl_layers > there:
        sizes = " ".join(map(str, options.sizes))
        raise UserError(
            f"--sizes {sizes} (--encrl_layers {options.encrl_layers}): the reference "
            f"has {Shape(there).in_words} ({config}): choose sizes up to {there}"
        )


def _check_finetune(options: EncrlRecipeOptions) -> None:
    together, no_epochs = options.finetune == "together", options.finetune_epochs == 0
    if together and options.family not in ("nested", "first"):
        raise UserError(
            "--finetune together: smaller models have the first layers of the largest "
            f"one: choose --family nested or first, not {options.family}"
        )
    further = " ".join(f"{size}:{n}" for size, n in options.finetune_alone)
    if further and not together and not no_epochs:
        raise UserError(
            f"--finetune_alone {further}: needs --finetune together or "
            "--finetune_epochs 0: give one of them, or --finetune_alone ''"
        )
    if not wanted(options, 6):
        return
    if further or not no_epochs:
        check_file("finetune_config", options.finetune_config)
        check_keys(options.finetune_config, "--finetune_config")
    sizes = " ".join(map(str, options.sizes))
    named = [size for size, _ in options.finetune_alone]
    for size, epochs in options.finetune_alone:
        if named.count(size) > 1:
            raise UserError(
                f"--finetune_alone {further}: {size} is named twice: give its epochs "
                "once"
            )
        # With a budget, the smallest size is not known yet.
        known = size == SMALLEST or size in options.sizes
        if not known or not epochs:
            raise UserError(
                f"--finetune_alone {size}:{epochs}: must be one of --sizes {sizes} "
                "with at least 1 epoch (or give --finetune_alone '')"
            )


def _check_baselines(options: EncrlRecipeOptions) -> None:
    if not options.baselines:
        there = " ".join(file_names(Path(options.baseline_dir), ".yaml"))
        raise UserError(
            f"--baselines '': name one or more of {there}, or skip stage 8 with "
            "--stop_stage 7"
        )
    check_named_files("baselines", options.baselines, options.baseline_dir)
    if options.tag in options.baselines:
        folder = Layout(options).student_exp
        raise UserError(
            f"--baselines {options.tag}: its models would have the same folders as "
            f"those of --tag {options.tag} ({folder}_*l): copy the file under another "
            "name, or choose another --tag"
        )
    if options.baseline_training:
        check_file("baseline_training", options.baseline_training)
        check_keys(options.baseline_training, "--baseline_training")
    for name in options.baselines:
        file = Path(options.baseline_dir, f"{name}.yaml")
        check_baseline_keys(file, options.baseline_training)
