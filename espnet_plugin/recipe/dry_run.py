"""Options of ``bin/estimate`` for the dry run of a recipe."""

from dataclasses import replace
from pathlib import Path

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.command_line import shown
from espnet_plugin.recipe.finished import finished_stages
from espnet_plugin.recipe.layout import Layout, read_found
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.stages.words import several

__all__ = ["DRY_RUN_OPTIONS", "DRY_RUN_LISTS", "dry_run_words"]

# Options that bin/estimate also has: those with one value, and those with several.
DRY_RUN_OPTIONS = (
    *("stage", "stop_stage", "ngpu", "num_nodes", "nj", "fs", "token_type", "nbpe"),
    "reference",
    *("reference_config", "encrl_layers", "encrl_config", "encrl_epochs"),
    *("finetune_config", "finetune_epochs", "alone_epochs", "finetune"),
    *("baseline_dir", "baseline_training", "baseline_epochs", "teacher_cache"),
    *("trials", "trial_epochs"),
)
DRY_RUN_LISTS = (
    *("speed_perturb_factors", "sizes", "freeze", "alone", "alone_freeze"),
    *("finetune_alone", "baselines", "budget"),
)


def dry_run_words(options: EncrlRecipeOptions) -> list[str]:
    """Return the options of ``bin/estimate`` for a recipe."""
    found_file = Path(options.expdir, "asr_recipe/found.sh")
    found = None
    if options.asr_recipe and found_file.is_file():
        options, found = read_found(str(found_file), options)
    layout = Layout(options, found)
    finished = finished_stages(layout)
    trained = Experiment(options.reference_exp)
    if trained.meta_file.exists() and not options.reference:
        # Its configuration has the tokens, whose number is otherwise assumed.
        options = replace(options, reference_config=str(trained.config_file))
    if options.hosts:
        options = replace(options, num_nodes=len(options.hosts.split(",")))
    words = []
    for name in DRY_RUN_OPTIONS:
        words += [f"--{name}", shown(getattr(options, name))]
    for name in DRY_RUN_LISTS:
        if name != "sizes" or options.sizes:  # those of a budget may not be chosen yet
            words += [f"--{name}", *shown(getattr(options, name)).split()]
    if options.corpus_hours:
        words += ["--corpus_hours", options.corpus_hours]
    if options.budget:
        words += ["--chosen", layout.chosen_file]
    return [
        *words,
        *("--dump_dir", layout.dump, "--data_dir", options.datadir),
        *("--train_set", options.train_set, "--dump_train_set", layout.dump_train),
        *("--eval_sets", options.valid_set, *options.test_sets),
        *several("--finished", map(str, finished)),
        *options.estimate_opts,
    ]
