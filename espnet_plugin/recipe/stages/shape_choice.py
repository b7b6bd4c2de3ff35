"""The first part of stage 5 with ``--budget``: choose the sizes by trials."""

from dataclasses import replace
from pathlib import Path

from espnet_plugin.recipe.chosen_shapes import chosen_sizes, read_chosen
from espnet_plugin.recipe.encrl_complete import with_sizes
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.runner import Runner, log
from espnet_plugin.recipe.stages.encrl_training import encrl_data, needs_of_encrl
from espnet_plugin.recipe.stages.words import maybe, several

__all__ = ["with_chosen_sizes"]


def with_chosen_sizes(layout: Layout, runner: Runner) -> Layout:
    """Try shapes for the budget and return the layout with the chosen sizes.

    Finished trials are not repeated. The layout is returned unchanged if there is no
    budget, its sizes are known, or stage 5 is not to run.

    Raises:
        UserError: If an input is missing, or no shape fits a budget.
        Failed: If the trials fail.
    """
    options = layout.options
    if not options.budget or options.sizes or options.stop_stage < 5:
        return layout
    runner.check()
    limits = [str(one) for one in options.budget]
    log(f"Stage 5: trials of shapes for --budget {' '.join(limits)}")
    for need in needs_of_encrl(layout):
        need.check()
    command = runner.python(
        *("try_shapes", "--config", options.encrl_config),
        *("--output_dir", layout.shapes_exp, "--seed", str(options.seed)),
        *("--reference", layout.reference_exp, "--budget", *limits),
        *("--trials", str(options.trials)),
        *("--trial_epochs", str(options.trial_epochs)),
        *("--shape_init", options.shape_init),
        *several("--objectives", options.objectives),
        *maybe("--teacher_cache", options.teacher_cache),
        *encrl_data(layout),
        *options.encrl_args,
    )
    runner.submit(runner.commands.cuda, "try_shapes", command)
    choices = read_chosen(Path(layout.chosen_file), layout.trial_rule)
    for one in choices:
        log(f"Stage 5: {one.in_words()}")
    sizes = chosen_sizes(choices)
    log(f"Stage 5: --sizes {' '.join(map(str, sizes))}, see {layout.chosen_file}")
    return replace(layout, options=with_sizes(options, sizes))
