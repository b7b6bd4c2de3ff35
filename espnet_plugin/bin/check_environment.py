"""Check GPUs, versions, access to folders and disk space before the first stage."""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.jobs.environment import check_folders, check_gpus, check_versions


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(description=__doc__)
    parser.add_argument("--ngpu", **of_recipe("ngpu", help="number of GPUs needed"))
    parser.add_argument(
        "--folders",
        type=Path,
        nargs="*",
        default=[],
        help="folders that must be writable",
    )
    return parser


def check(args: argparse.Namespace) -> None:
    """Check versions, GPUs and folders."""
    check_versions()
    check_folders(args.folders)
    check_gpus(args.ngpu)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: check(args))


if __name__ == "__main__":
    sys.exit(main())
