"""Print which rows the report should compare, one argument of its command per line."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.report.dual_pairs import dual_mode_pairs


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add(
        "exp_dir",
        type=Path,
        help="folder of the models, which are named asr_<row>_s<seed>_<mode>",
    )
    add(
        "--decoding",
        **of_recipe(
            "decoding", DualmodeOptions, help="name of the decoding to compare"
        ),
    )
    add("--test_set", default="test", help="name of the test set to compare on")
    return parser


def print_pairs(args: argparse.Namespace) -> None:
    """Print the pairs, see `dual_mode_pairs`."""
    if not args.exp_dir.is_dir():
        raise UserError(
            f"{args.exp_dir} is not a folder: give the folder that holds the models"
        )
    for pair in dual_mode_pairs(args.exp_dir, args.decoding, args.test_set):
        print("--compare", *pair, sep="\n")


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: print_pairs(args))


if __name__ == "__main__":
    sys.exit(main())
