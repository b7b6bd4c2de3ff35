"""Make Kaldi data folders from the eight AN4 utterances in ESPnet's package.

Works offline. Five utterances are for training, one for development and two for the
test: enough to see that a recipe runs on real speech, far too few to measure anything.
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.corpora.mini_an4 import find_archive, prepare_mini_an4
from espnet_plugin.exact_parser import ExactParser

__all__ = ["get_parser", "main"]


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--archive",
        type=Path,
        help="the archive; default: the one in the installed ESPnet",
    )
    parser.add_argument("--download_dir", type=Path, default=Path("downloads"))
    parser.add_argument("--output_dir", type=Path, default=Path("data"))
    return parser


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(
        lambda: prepare_mini_an4(
            args.archive or find_archive(), args.download_dir, args.output_dir
        )
    )


if __name__ == "__main__":
    sys.exit(main())
