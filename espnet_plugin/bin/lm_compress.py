"""Stage 5 of the language model recipe: compress the dense model in several ways.

Each row is one way. Options that this command does not know are passed to ESPnet's
training.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.lm_train import add_training_options, read_training
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.lm_train import (
    check_job,
    compress,
    train_control,
    train_further,
)
from espnet_plugin.lm.rows import Control, Further, read_row
from espnet_plugin.yaml_files import read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add_training_options(parser)
    parser.add_argument(
        "--fine_tuning_config",
        type=Path,
        required=True,
        help="changes to --config for the fine-tuning of a compressed model",
    )
    parser.add_argument(
        "--rows",
        type=Path,
        nargs="+",
        required=True,
        help="row files (conf/lmprune/rows/): what each row does to the dense model; "
        "controls are trained last",
    )
    return parser


def make(args: argparse.Namespace, options: list[str]) -> None:
    """Train the models of each row, after checking all rows."""
    # All rows are checked before the first training.
    rows = {path.stem: read_row(path) for path in args.rows}
    fine_tuning = read_yaml(args.fine_tuning_config, "--fine_tuning_config")
    job = read_training(args, options, fine_tuning)
    check_job(job, rows)
    for name, row in sorted(
        rows.items(), key=lambda item: isinstance(item[1], Control)
    ):
        if isinstance(row, Control):
            train_control(job, name, row)
        elif isinstance(row, Further):
            train_further(job, name, row)
        else:
            compress(job, name, row)


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: make(args, options))


if __name__ == "__main__":
    sys.exit(main())
