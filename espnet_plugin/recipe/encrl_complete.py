"""Values of ``encrl.sh``'s options that follow from other options and from files."""

import os
from dataclasses import replace
from pathlib import Path

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.cache_folder import cache_folder
from espnet_plugin.recipe.chosen_shapes import chosen_sizes, read_chosen
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.runner import log
from espnet_plugin.recipe.trainings import (
    for_any_sizes,
    largest_together,
    sizes_alone,
    sizes_further,
)
from espnet_plugin.shape import Heads, Shape, check_shapes
from espnet_plugin.yaml_files import read_yaml

__all__ = ["complete", "reference_config", "with_sizes"]


def complete(options: EncrlRecipeOptions) -> EncrlRecipeOptions:
    """Return the options with values for those that are empty.

    With a budget, the sizes are those that stage 5 has chosen. If stage 5 is still to
    run, there are none yet, and :func:`with_sizes` adds them later.

    Raises:
        UserError: If ``encrl_layers`` is too small, a width does not fit the attention
            heads, or only later stages run and nothing was chosen for the budget yet.
    """
    here = os.path.realpath(options.asr_recipe or ".")
    corpus = options.corpus or os.path.basename(os.path.dirname(here))
    reference_exp = options.reference_exp
    if not reference_exp:
        reference_exp = f"{options.expdir}/asr_reference"
        if options.reference_seed != 1:
            reference_exp += f"_s{options.reference_seed}"
    variant = options.variant
    if not variant and options.tag != "encrl":
        variant = options.tag
    options = replace(
        options,
        corpus=corpus,
        variant=variant,
        reference_exp=reference_exp,
        teacher_cache=cache_folder(
            options.teacher_cache, options.expdir, reference_exp
        ),
    )
    if not options.budget:
        return with_sizes(options, options.sizes)
    options = replace(for_any_sizes(options), sizes=())
    if options.stage <= 5 or options.dry_run:
        return options
    layout = Layout(options)
    choices = read_chosen(Path(layout.chosen_file), layout.trial_rule)
    sizes = chosen_sizes(choices)
    log(f"--sizes {' '.join(map(str, sizes))}, which stage 5 chose for --budget")
    return with_sizes(options, sizes)


def with_sizes(
    options: EncrlRecipeOptions, sizes: tuple[Shape, ...]
) -> EncrlRecipeOptions:
    """Return the options with these sizes and the options that depend on them.

    Raises:
        UserError: If a width does not fit the attention heads, or ``encrl_layers`` is
            too small.
    """
    options = replace(options, sizes=sizes)
    options = replace(options, sizes=_checked_sizes(options))
    named = " ".join(map(str, options.sizes))
    for one in options.alone:
        if one not in options.sizes:
            log(f"--alone {one} is ignored: it is not one of --sizes {named}")
    # Only the sizes that this call makes.
    options = replace(options, alone=sizes_alone(options))
    options = replace(options, finetune_alone=sizes_further(options))
    largest = largest_together(options)
    layers = options.encrl_layers or largest
    if layers < largest:
        raise UserError(
            f"--encrl_layers {layers}: must be a number of layers, {largest} or more, "
            f"because the models of --sizes {named} are taken from these layers"
        )
    return replace(options, encrl_layers=layers)


def reference_config(options: EncrlRecipeOptions) -> str:
    """Return the configuration file of the existing or future reference.

    The result is empty if ``--asr_recipe`` is given, which finds the reference later.
    """
    reference = Experiment(options.reference_exp)
    if reference.meta_file.exists():
        return str(reference.config_file)
    if options.reference:
        return str(Experiment(options.reference).config_file)
    return "" if options.asr_recipe else options.reference_config


def _checked_sizes(options: EncrlRecipeOptions) -> tuple[Shape, ...]:
    """Return the sizes; a width that equals the reference's is removed.

    If the reference's configuration is not known yet, stage 5 does this.
    """
    config = reference_config(options)
    widths = [size for size in options.sizes if size.width is not None]
    if not widths or not Path(config).is_file():
        return options.sizes
    encrl = {}
    if Path(options.encrl_config).is_file():
        encrl = read_yaml(options.encrl_config, "--encrl_config")
    heads = Heads.of(read_yaml(config, "--reference_config"), encrl)
    return check_shapes(options.sizes, heads)
