"""Checks of the options of ``lmprune.sh`` and of the files that they name."""

from pathlib import Path

from espnet_plugin.errors import UserError
from espnet_plugin.lm.record import LMRecord, lm_folder
from espnet_plugin.lm.rows import check_rows, read_row
from espnet_plugin.lm.shape import check_lm_conf
from espnet_plugin.names import TRANSFORMER_LM
from espnet_plugin.recipe.config_keys import LM, check_keys
from espnet_plugin.recipe.option_checks import check_file, check_named_files
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.path_checks import check_model_folder, check_output_paths
from espnet_plugin.yaml_files import read_yaml

__all__ = ["check_lmprune"]


def check_lmprune(options: LmpruneOptions) -> None:
    """Check the options that the chosen stages use.

    Raises:
        UserError: If a file is missing or an option is wrong; it names the option, its
            value and what is allowed.
    """
    wanted = range(options.stage, options.stop_stage + 1)
    if 7 in wanted and not options.asr_exp:
        raise UserError(
            "--asr_exp is not given, but stage 7 needs it: give the folder of a "
            "recogniser with the same tokens, or skip stage 7 (--stop_stage 6, then "
            "--stage 8)"
        )
    if {7, 8} & set(wanted) and not options.test_sets:
        raise UserError(
            "--test_sets '': stages 7 and 8 need a test set, whose errors the table "
            "has: name it, or end with --stop_stage 6"
        )
    check_output_paths(options)
    if options.asr_exp and {3, 7} & set(wanted):
        check_model_folder("asr_exp", options.asr_exp)
    if 3 in wanted:
        for text in options.lm_train_text:
            check_file("lm_train_text", text)
    if {4, 5} & set(wanted):
        _check_config(options.lm_config)
    if 5 in wanted:
        check_file("fine_tuning_config", options.fine_tuning_config)
        check_keys(options.fine_tuning_config, "--fine_tuning_config", LM)
        check_named_files("rows", options.rows, options.row_dir)
        if not options.rows:
            raise UserError(
                "--rows '': name one or more files in --row_dir, or skip stage 5 "
                "(--stop_stage 4, then --stage 6)"
            )
        rows = {}
        for row in options.rows:
            rows[row] = read_row(Path(options.row_dir, f"{row}.yaml"))
        check_rows(rows, lambda row, keep: _made(options, row, keep))


def _made(options: LmpruneOptions, row: str, keep: float) -> bool:
    """Return whether there is a model of a row, for any seed."""
    folders = (lm_folder(options.expdir, row, seed, keep) for seed in options.seeds)
    return any(map(LMRecord.is_in, folders))


def _check_config(file: str) -> None:
    check_file("lm_config", file)
    content = read_yaml(file, "--lm_config")
    kind = content.get("lm")
    if kind != TRANSFORMER_LM:
        raise UserError(
            f"--lm_config {file}: lm {kind}: only Transformer language models can be "
            f"made smaller here: write lm: {TRANSFORMER_LM}"
        )
    check_keys(file, "--lm_config", LM, content)
    check_lm_conf(content.get("lm_conf") or {}, f"--lm_config {file}: lm_conf")
