"""The options of ``jobs.sh``: many jobs of an EncRL recipe at once."""

from dataclasses import dataclass
from functools import partial

from espnet_plugin.recipe.option import option, same_option
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.sections import GENERAL
from espnet_plugin.recipe.values.numbers import MOST_SEED, Several, Whole
from espnet_plugin.recipe.values.text import Command
from espnet_plugin.shape import Shape

__all__ = ["JobsOptions"]

_general = partial(option, GENERAL)
_shared = partial(same_option, EncrlRecipeOptions)


@dataclass(frozen=True)
class JobsOptions:
    """The options of ``jobs.sh``."""

    seeds: tuple[int, ...] = _general(
        "1",
        Several(Whole(0, MOST_SEED)),
        "Seeds, in quotes if several; one EncRL run for each. They should be further "
        "apart than the number of epochs.",
    )
    sizes: tuple[Shape, ...] = _shared(
        "sizes",
        section=GENERAL,
        help="Sizes; one job of fine-tuning, decoding and scoring for each, or one "
        "job for all sizes of a seed where run.sh has --finetune together or "
        "--finetune_epochs 0.",
    )
    baselines: tuple[str, ...] = _shared(
        "baselines",
        section=GENERAL,
        default="",
        help="Names of files in baseline_dir; one job for each file and seed.",
    )
    max_jobs: int = _general("4", Whole(1), "Jobs that run at the same time.")
    ngpu: int = _shared("ngpu", help="GPUs of each job.")
    expdir: str = _shared("expdir", help="Folder for models, as in run.sh.")
    run: tuple[str, ...] = _general(
        "./run.sh", Command(), "Command that runs the recipe; may be several words."
    )
