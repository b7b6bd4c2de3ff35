"""The sizes that a dry run assumes: those given, or those for a budget."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.recipe.chosen_shapes import TrialRule, chosen_sizes, find_chosen
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.trainings import (
    for_any_sizes,
    largest_together,
    sizes_alone,
    sizes_further,
)
from espnet_plugin.shape import Heads, Shape, check_shapes

__all__ = ["PlannedSizes", "plan_sizes"]


@dataclass(frozen=True)
class PlannedSizes:
    """The sizes of a plan.

    Attributes:
        options: Options of the recipe with these sizes.
        trials: Shapes that stage 5 still has to try.
        words: How the sizes were chosen; empty if they were given.
    """

    options: EncrlRecipeOptions
    trials: tuple[Shape, ...] = ()
    words: str = ""


def plan_sizes(
    options: EncrlRecipeOptions,
    reference: Mapping[str, Any],
    encrl: Mapping[str, Any],
    vocabulary: int,
    chosen: Optional[Path] = None,
) -> PlannedSizes:
    """Return the sizes that stages 5 and 6 would train.

    Args:
        options: Options of the recipe.
        reference: Configuration of the reference.
        encrl: Configuration of stage 5.
        vocabulary: Number of tokens.
        chosen: The file in which stage 5 writes its choice for a budget.

    Raises:
        UserError: If a width does not fit the attention heads, or no shape fits a
            budget.
    """
    planned = PlannedSizes(options)
    if options.budget:
        own = for_any_sizes(options)
        planned = _of_budget(own, reference, encrl, vocabulary, chosen)
    options = planned.options
    options = replace(
        options, sizes=tuple(check_shapes(options.sizes, Heads.of(reference, encrl)))
    )
    layers = options.encrl_layers or largest_together(options)
    options = replace(
        options,
        alone=sizes_alone(options),
        finetune_alone=sizes_further(options),
        encrl_layers=layers,
    )
    return replace(planned, options=options)


def _of_budget(
    options: EncrlRecipeOptions,
    reference: Mapping[str, Any],
    encrl: Mapping[str, Any],
    vocabulary: int,
    chosen_file: Optional[Path],
) -> PlannedSizes:
    """Return sizes for the budget, and shapes that still have to be tried.

    Until stage 5 has chosen, the shape with most operations is assumed for each limit.
    """
    rule = TrialRule(options.budget, options.trials, options.trial_epochs)
    chosen = chosen_file and find_chosen(chosen_file, rule)
    if chosen:
        sizes = replace(options, sizes=chosen_sizes(chosen))
        return PlannedSizes(sizes, words=f"sizes as in {chosen_file}")
    # This imports torch, which takes many seconds.
    from espnet_plugin.estimate.candidates import fitting, list_shapes, spread

    shapes = list_shapes(reference, encrl, vocabulary)
    tried = [spread(fitting(shapes, one), rule.trials) for one in rule.budgets]
    most = [max(some, key=lambda one: one.macs_per_second) for some in tried]
    sizes = tuple(dict.fromkeys(one.shape for one in most))
    trials = tuple(dict.fromkeys(one.shape for some in tried for one in some))
    words = (
        f"stage 5 tries {' '.join(map(str, trials))} for --budget; until it has "
        "chosen, the shape with most operations is assumed for each limit: "
        f"{' '.join(map(str, sizes))}"
    )
    return PlannedSizes(replace(options, sizes=sizes), trials, words)
