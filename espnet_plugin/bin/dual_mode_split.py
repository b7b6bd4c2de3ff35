"""Make a model folder for each mode of trained supernets; cut the streaming one out."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import write_lines
from espnet_plugin.jobs.dual import write_recognisers


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "trainings",
        nargs="+",
        type=Path,
        help="folders of dual-mode trainings, dual_<row>; for each, the models "
        "asr_<row>_<mode> and a list of them, asr_<row>.models, are written next to "
        "it",
    )
    return parser


def split(args: argparse.Namespace) -> None:
    """Write the models of each training, and lists of them."""
    for training in args.trainings:
        name = f"asr_{training.name.removeprefix('dual_')}"
        models = write_recognisers(training, str(training.parent / name))
        write_lines(training.parent / f"{name}.models", map(str, models))


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: split(args))


if __name__ == "__main__":
    sys.exit(main())
