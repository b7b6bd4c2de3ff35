"""What the dry run of a recipe is asked."""

from dataclasses import replace

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.command_line import shown
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options import EncrlOptions

__all__ = ["DRY_RUN_OPTIONS", "DRY_RUN_LISTS", "dry_run_words"]

# Options that the estimate has as well: with one value, and with several.
DRY_RUN_OPTIONS = (
    *("stage", "stop_stage", "ngpu", "nj", "fs", "token_type", "nbpe", "reference"),
    *("reference_config", "encrl_layers", "encrl_config", "encrl_epochs"),
    *("finetune_config", "finetune_epochs", "alone_epochs", "finetune"),
    *("baseline_dir", "baseline_training", "baseline_epochs", "teacher_cache"),
    *("trials", "trial_epochs"),
)
DRY_RUN_LISTS = (
    *("speed_perturb_factors", "sizes", "freeze", "alone", "alone_freeze"),
    *("finetune_alone", "baselines", "budget"),
)


def dry_run_words(options: EncrlOptions) -> list[str]:
    """Return the options of ``bin/estimate`` for a recipe."""
    trained = Experiment(options.reference_exp)
    if trained.meta_file.exists() and not options.reference:
        # It says how many tokens there are, which is assumed before.
        options = replace(options, reference_config=str(trained.config_file))
    words = []
    for name in DRY_RUN_OPTIONS:
        words += [f"--{name}", shown(getattr(options, name))]
    for name in DRY_RUN_LISTS:
        if name != "sizes" or options.sizes:  # a budget's are not chosen yet
            words += [f"--{name}", *shown(getattr(options, name)).split()]
    if options.corpus_hours:
        words += ["--corpus_hours", options.corpus_hours]
    layout = Layout(options)
    if options.budget:
        words += ["--chosen", layout.chosen_file]
    lengths = f"{options.dumpdir}/raw/{layout.dump_train}/utt2num_samples"
    segments = f"{options.datadir}/{options.train_set}/segments"
    return [
        *words,
        "--lengths",
        lengths,
        "--segments",
        segments,
        *options.estimate_opts,
    ]
