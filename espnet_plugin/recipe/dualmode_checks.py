"""Options of ``dualmode.sh`` that have to fit each other, and the files they name."""

import os
from dataclasses import replace

from espnet_plugin.recipe.option_checks import check_durations, check_named_files
from espnet_plugin.recipe.options import DualmodeOptions

__all__ = ["check_dualmode", "complete_dualmode"]


def complete_dualmode(options: DualmodeOptions) -> DualmodeOptions:
    """Return the options with the values of those that are empty."""
    here = os.environ.get("PWD") or os.getcwd()
    return replace(
        options, corpus=options.corpus or os.path.basename(os.path.dirname(here))
    )


def check_dualmode(options: DualmodeOptions) -> None:
    """Check what the stages look at.

    Raises:
        UserError: Naming the option, its value and what it may be.
    """
    check_named_files("rows", options.rows, options.row_dir)
    check_named_files("baselines", options.baselines, options.row_dir)
    check_durations(options)
