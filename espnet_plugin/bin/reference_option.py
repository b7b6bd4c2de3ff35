"""The options that name the reference: a folder, or a configuration and a file."""

import argparse
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment, ModelFiles

__all__ = ["add_reference_options", "read_reference", "reference_options"]


def add_reference_options(parser: argparse.ArgumentParser, pair: bool = True) -> None:
    """Add ``--reference`` and the pair of options that it replaces.

    Args:
        parser: The parser to which the options are added.
        pair: Whether the pair is added, which a task of ESPnet may have already.
    """
    parser.add_argument(
        "--reference",
        type=Path,
        help="folder of the reference, e.g. exp/asr_reference; --reference_config "
        "and --reference_model_file can be given instead",
    )
    if pair:
        parser.add_argument(
            "--reference_config", type=Path, help="config.yaml of the reference"
        )
        parser.add_argument(
            "--reference_model_file", type=Path, help="checkpoint of the reference"
        )


def read_reference(
    args: argparse.Namespace, trained: bool = True
) -> Optional[ModelFiles]:
    """Return the reference that the options name; None if there is none.

    Args:
        args: Parsed options of :func:`add_reference_options`.
        trained: Whether its checkpoint is needed; otherwise the folder may have only a
            configuration, or an unfinished training.

    Raises:
        UserError: If both a folder and the pair are given, or the folder has no model
            or is a file.
    """
    pair = {
        f"--{name}": getattr(args, name)
        for name in ("reference_config", "reference_model_file")
    }
    given = {name: value for name, value in pair.items() if value is not None}
    if args.reference is None:
        if not given:
            return None
        if args.reference_config is None:
            raise UserError(
                f"--reference_model_file {args.reference_model_file} without "
                "--reference_config: give the folder with --reference instead"
            )
        return ModelFiles(args.reference_config, args.reference_model_file)
    if given:
        named = " and ".join(f"{name} {value}" for name, value in given.items())
        raise UserError(
            f"--reference {args.reference} and {named}: give either the folder or its "
            "configuration and checkpoint"
        )
    experiment = Experiment(args.reference)
    if args.reference.is_file():
        raise UserError(
            f"--reference {args.reference} is a file: give its folder, "
            f"{args.reference.parent}"
        )
    unfinished = not experiment.meta_file.is_file() and (
        experiment.is_ours or not experiment.is_begun
    )
    if trained or not unfinished:
        return experiment.model_files()
    experiment.config()  # says what is missing
    return ModelFiles(experiment.config_file)


def reference_options(args: argparse.Namespace) -> list[str]:
    """Return the task's options for the reference that the options name.

    Raises:
        UserError: See :func:`read_reference`.
    """
    files = read_reference(args)
    if files is None:
        return []
    options = ["--reference_config", str(files.config)]
    if files.checkpoint is not None:
        options += ["--reference_model_file", str(files.checkpoint)]
    return options
