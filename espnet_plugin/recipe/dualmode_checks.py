"""Checks of the options of ``dualmode.sh`` and of the files that they name."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping

from espnet_plugin.errors import UserError
from espnet_plugin.jobs.pretraining_loss import loss_of
from espnet_plugin.recipe.cache_folder import cache_folder
from espnet_plugin.recipe.config_keys import DUAL_MODE, check_keys
from espnet_plugin.recipe.option_checks import (
    check_durations,
    check_file,
    check_named_files,
)
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.path_checks import check_model_folder, check_output_paths
from espnet_plugin.recipe.runner import log
from espnet_plugin.yaml_files import read_yaml

__all__ = ["check_dualmode", "complete_dualmode"]


def complete_dualmode(options: DualmodeOptions) -> DualmodeOptions:
    """Return the options with values for those that are empty or ``auto``.

    An empty ``corpus`` is the name of the folder.
    """
    here = os.environ.get("PWD") or os.getcwd()
    return replace(
        options,
        corpus=options.corpus or os.path.basename(os.path.dirname(here)),
        teacher_cache=cache_folder(
            options.teacher_cache, options.expdir, options.reference
        ),
    )


def check_dualmode(options: DualmodeOptions) -> None:
    """Check the options that the chosen stages use.

    Raises:
        UserError: If a file is missing or an option is wrong; it names the option, its
            value and what is allowed.
    """
    check_named_files("rows", options.rows, options.row_dir)
    check_named_files("baselines", options.baselines, options.row_dir)
    check_durations(options)
    check_output_paths(options)
    wanted = set(range(options.stage, options.stop_stage + 1))
    if wanted & {2, 3, 4, 5, 8}:
        check_file("train_config", options.train_config)
        check_keys(options.train_config, "--train_config", DUAL_MODE)
    if options.pretrain_set and wanted & {4, 5, 8}:
        if 4 in wanted:
            check_file("pretrain_config", options.pretrain_config)
        if Path(options.pretrain_config).is_file():
            _check_loss(options, wanted)
        _warn_of_evaluation(options)
    if wanted & {5, 8}:
        if options.pretrained:
            check_file("pretrained", options.pretrained)
        if options.reference:
            check_model_folder("reference", options.reference)
        else:
            _check_no_reference_needed(options, wanted)


def _warn_of_evaluation(options: DualmodeOptions) -> None:
    name = options.pretrain_set
    if name in (options.valid_set, *options.test_sets):
        log(
            f"WARNING --pretrain_set {name}: is also a set to evaluate on, so its "
            "error rates are those of audio that the models have been trained on"
        )


def _check_loss(options: DualmodeOptions, wanted: set[int]) -> None:
    """Refuse rows that start from another loss, before the hours of the pre-training.

    The training checks everything else that a row may contain.
    """
    if options.pretrained:
        return
    loss = loss_of(read_yaml(options.pretrain_config, "--pretrain_config"))
    for row in _chosen_rows(options, wanted):
        named = _row(options, row).get("pretrained")
        if isinstance(named, str) and named != loss:
            raise UserError(
                f"--pretrain_config {options.pretrain_config}: its loss is {loss}, but "
                f"the row {row} starts from {named}: use --pretrain_config "
                f"conf/dualmode/pretrain_{named}.yaml, or another row"
            )


def _check_no_reference_needed(options: DualmodeOptions, wanted: set[int]) -> None:
    for row in _chosen_rows(options, wanted):
        content = _row(options, row)
        if content.get("reference_layers"):
            why = "starts from the layers of a reference"
        elif _section(_section(content, "changes"), "model_conf").get("teaching"):
            why = "learns from a reference"
        else:
            continue
        raise UserError(
            f"--reference is not given, but the row {row} {why}: give the folder of a "
            "trained recogniser, or choose other rows"
        )


def _chosen_rows(options: DualmodeOptions, wanted: set[int]) -> list[str]:
    rows = [*(options.rows if 5 in wanted else ())]
    return [*rows, *(options.baselines if 8 in wanted else ())]


def _row(options: DualmodeOptions, name: str) -> Mapping[str, Any]:
    return read_yaml(Path(options.row_dir, f"{name}.yaml"), "--rows")


def _section(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}
