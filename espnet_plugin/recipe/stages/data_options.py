"""The options of the stages that prepare data, for every family of recipes."""

from dataclasses import fields
from typing import Any, Union

from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.options.sections import DATA
from espnet_plugin.recipe.options.shared import SharedOptions

__all__ = ["options_of_data"]

_GENERAL = ("nj", "python", "datadir", "dumpdir", "expdir")


def options_of_data(
    options: Union[DualmodeOptions, LmpruneOptions], last: int, **more: Any
) -> EncrlRecipeOptions:
    """Return the options of the first stages, as the EncRL family declares them.

    Args:
        options: Options of another family; the shared ones that it has are copied.
        last: Number of the last stage that prepares data.
        more: Further options of the EncRL family, by name.
    """
    of_data = (one.name for one in options_of(SharedOptions) if one.section == DATA)
    own = {one.name for one in fields(options)}
    names = [name for name in (*_GENERAL, *of_data) if name in own]
    return EncrlRecipeOptions(
        **{name: getattr(options, name) for name in names},
        stage=options.stage,
        stop_stage=min(options.stop_stage, last),
        **more,
    )
