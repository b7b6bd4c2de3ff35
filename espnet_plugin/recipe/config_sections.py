"""Check the sections of all training configurations before the first stage."""

import shutil
from pathlib import Path
from typing import Iterator, Union

from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.runner import Runner
from espnet_plugin.yaml_files import read_yaml

__all__ = ["check_sections"]

Options = Union[EncrlRecipeOptions, DualmodeOptions, LmpruneOptions]
_RECORD = ".checked_configs.json"


def check_sections(options: Options, runner: Runner) -> None:
    """Check the configurations of the trainings that the chosen stages run.

    The classes of ESPnet that know what is right take seconds to import, so this runs
    in another process, and only for configurations that were not checked before.

    Args:
        options: Options of the recipe.
        runner: Runs the check.

    Raises:
        Failed: If a configuration is wrong; the reason has been printed.
    """
    wanted = set(range(options.stage, options.stop_stage + 1))
    if isinstance(options, EncrlRecipeOptions):
        found = [*_of_encrl(options, wanted)]
    elif isinstance(options, DualmodeOptions):
        found = [*_of_dualmode(options, wanted)]
    else:
        found = [("lm", "--lm_config", options.lm_config)] if 4 in wanted else []
    # On a cluster Python may only be on the nodes; trainings check it again.
    here = shutil.which(options.python[0]) is not None
    if found and here:
        files = [":".join(one) for one in found]
        record = ("--record", str(Path(options.expdir, _RECORD)))
        runner.here(runner.python("check_configs", *files, *record))


def _of_encrl(
    options: EncrlRecipeOptions, wanted: set[int]
) -> Iterator[tuple[str, ...]]:
    if 4 in wanted and not (options.reference or options.asr_recipe):
        yield "asr", "--reference_config", options.reference_config
    if 5 in wanted:
        yield "encrl", "--encrl_config", options.encrl_config
    if 6 in wanted and (options.finetune_epochs != 0 or options.finetune_alone):
        yield "asr", "--finetune_config", options.finetune_config
    if 8 in wanted:
        if options.baseline_training:
            yield "asr", "--baseline_training", options.baseline_training
            return
        for name in options.baselines:
            file = Path(options.baseline_dir, f"{name}.yaml")
            training = read_yaml(file, "--baselines").get("training")
            if isinstance(training, str):
                yield "asr", f"{file}, training", str(file.parent / training)


def _of_dualmode(
    options: DualmodeOptions, wanted: set[int]
) -> Iterator[tuple[str, ...]]:
    if 4 in wanted and options.pretrain_set:
        yield "ssl", "--pretrain_config", options.pretrain_config
    if wanted & {5, 8}:
        yield "dual_mode", "--train_config", options.train_config
