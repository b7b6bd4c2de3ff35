"""A model folder for each mode of a trained supernet; the streaming one is cut out."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.files import write_lines
from espnet_plugin.tasks.dual_models import write_recognisers


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("training", type=Path, help="folder of a dual-mode training")
    add("--output", required=True, help="prefix of the folders")
    return parser


def split(args: argparse.Namespace) -> None:
    """Do the stage."""
    models = write_recognisers(args.training, args.output)
    write_lines(Path(f"{args.output}.models"), map(str, models))


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: split(args))


if __name__ == "__main__":
    sys.exit(main())
