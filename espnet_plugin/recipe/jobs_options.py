"""The options of ``jobs.sh``: many jobs of an EncRL recipe at once."""

from dataclasses import dataclass
from functools import partial

from espnet_plugin.recipe.option import option, same_option
from espnet_plugin.recipe.options import GENERAL, EncrlOptions
from espnet_plugin.recipe.values import MOST_SEED, Command, Several, Whole
from espnet_plugin.shape import Shape

__all__ = ["JobsOptions"]

_general = partial(option, GENERAL)
_shared = partial(same_option, EncrlOptions)


@dataclass(frozen=True)
class JobsOptions:
    """The options of ``jobs.sh``."""

    seeds: tuple[int, ...] = _general(
        "1", Several(Whole(0, MOST_SEED)), "One EncRL run each, in quotes if several."
    )
    sizes: tuple[Shape, ...] = _shared(
        "sizes",
        section=GENERAL,
        help="One fine-tuning, decoding and scoring each; one for all sizes of a seed "
        "where run.sh has --finetune together.",
    )
    baselines: tuple[str, ...] = _shared(
        "baselines",
        section=GENERAL,
        default="",
        help="Names of files in baseline_dir: one job for each of them and seed.",
    )
    max_jobs: int = _general("4", Whole(1), "Jobs that run at the same time.")
    ngpu: int = _shared("ngpu", help="GPUs of each job.")
    expdir: str = _shared("expdir", help="Models, as of run.sh.")
    run: tuple[str, ...] = _general(
        "./run.sh", Command(), "The recipe; may be several words."
    )
