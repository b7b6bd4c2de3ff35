"""Checks of the paths that options name, before any stage runs."""

from pathlib import Path
from typing import Union

from espnet_plugin.distill.store_format import check_folder
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.named_files import check_tokens
from espnet_plugin.recipe.best_experiment import earlier_choice, find_experiment
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.options.shared import SharedOptions

__all__ = [
    "check_model_folder",
    "check_output_paths",
    "check_stock_experiment",
    "check_stock_paths",
]


def check_output_paths(options: Union[SharedOptions, LmpruneOptions]) -> None:
    """Check that output folders are not below files, and output files not folders.

    Raises:
        UserError: If so; it names the option and the path.
    """
    _check_cache(getattr(options, "teacher_cache", ""))
    for name in ("datadir", "dumpdir", "expdir", "plot_dir", "teacher_cache"):
        _check_folder(name, getattr(options, name, ""))
    if isinstance(options, EncrlRecipeOptions):
        _check_folder("reference_exp", options.reference_exp)
    for name in ("results", "results_json"):
        value = getattr(options, name)
        if value and Path(value).is_dir():
            raise UserError(f"--{name} {value} is a folder: name a file to write")
        _check_folder(name, str(Path(value).parent), value)


def _check_cache(value: str) -> None:
    """Check the folder of ``--teacher_cache``, which may be taken for a switch."""
    if value.lower() in ("true", "false", "yes", "no", "none", "on", "off"):
        raise UserError(
            f"--teacher_cache {value}: is the name of a folder: give auto (a folder in "
            "--expdir), a path, or '' for no cache"
        )
    if value:
        check_folder(Path(value))


def _check_folder(option: str, value: str, given: str = "") -> None:
    if not value:
        return
    path = Path(value)
    for one in (path, *path.parents):
        if one.is_dir():
            return
        if one.exists() or one.is_symlink():
            raise UserError(
                f"--{option} {given or value}: {one} is not a folder: choose another "
                "path"
            )


def check_model_folder(option: str, value: str) -> None:
    """Check that a folder has a ``config.yaml`` with the tokens of a recogniser.

    Args:
        option: Name of the option that names the folder.
        value: The folder.

    Raises:
        UserError: If it has none, or its tokens are unknown.
    """
    file = Experiment(value).config_file
    if not file.is_file():
        raise UserError(
            f"--{option} {value}: has no config.yaml: name the folder of an ESPnet "
            "recogniser"
        )
    config = read_config(file)
    check_tokens(config, file)


def check_stock_paths(options: EncrlRecipeOptions) -> None:
    """Check that the named parts of a finished ESPnet recipe exist.

    Raises:
        UserError: If one is missing; with all paths that were tried.
    """
    root = Path(options.asr_recipe)
    if not root.is_dir():
        raise UserError(
            f"--asr_recipe {root} is not a folder: give the folder with asr.sh, data, "
            "dump and exp, e.g. egs2/librispeech_100/asr1"
        )
    for name in ("recipe_exp", "recipe_dump", "recipe_stats", "recipe_token_list"):
        value = getattr(options, name)
        places = [root / value, Path(value)]
        if name == "recipe_exp":
            places.insert(0, root / "exp" / value)
        if value and not any(place.exists() for place in places):
            where = ", ".join(map(str, places))
            raise UserError(
                f"--{name} {value}: none of {where} exists: correct the path"
            )


def check_stock_experiment(options: EncrlRecipeOptions) -> None:
    """Check that a finished ESPnet recipe has a model that can be the reference.

    Raises:
        UserError: If it has none, or the model that is named has no tokens.
    """
    folder = Path(options.asr_recipe)
    chosen = options.recipe_exp or earlier_choice(
        folder, Path(options.expdir, "asr_recipe")
    )
    find_experiment(folder.resolve(), chosen, options.reference_model_file or None)
